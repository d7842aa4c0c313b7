"""The project's tests. This file makes `python -m tests.chaos` find them before any installed package of that name."""
