"""Measures fini-gate beside its alternatives: `make bench`."""
