"""`python -m fini_gate`: the command line without an installed command."""

from fini_gate.start import start

if __name__ == "__main__":
    start()
