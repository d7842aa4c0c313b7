"""How fast fini-gate is, as ratios to what it stands beside: `make bench`."""
