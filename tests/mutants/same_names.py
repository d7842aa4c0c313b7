"""A pytest plugin for mutmut, which runs pytest several times in one process.

Pytest escapes a name that `ids` gave again each time. Without this, mutmut would ask for tests that do not exist.
"""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Forget the names that are already escaped."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        if mark._param_ids_from is not None:  # noqa: SLF001 - pytest offers no public way
            object.__setattr__(mark._param_ids_from, "_param_ids_generated", None)  # noqa: SLF001 - as above
