"""Report a verdict: log lines, outputs, the results file and the job summary."""
