"""The platforms that the gate runs on: GitHub's runner, or a terminal."""
