"""Talk to what runs the gate: GitHub's runner, or a person at a terminal."""
