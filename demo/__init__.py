"""Shows the gate at work on this machine: `make demo`."""
