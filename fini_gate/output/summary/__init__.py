"""The job summary: a verdict as Markdown, for GitHub's page of the run. Pure.

`page` puts together what `attention`, `table`, `chart` and `timing` render, within GitHub's size limit.
"""

from fini_gate.output.summary.page import render_summary

__all__ = ["render_summary"]
