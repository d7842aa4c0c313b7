"""Report a verdict: log lines, outputs, output files and the job summary."""
