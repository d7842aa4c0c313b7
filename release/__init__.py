"""What the release workflow does, as commands: `python3 -m release --help`.

The standard library alone: it runs before anything is installed. The workflow and docs/releasing.md say in which order.
"""
