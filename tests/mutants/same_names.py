"""A plugin of pytest: tests keep their names when pytest is run again in the same process.

What `ids` gives to a parametrized test, pytest remembers as it has escaped it, and the next time escapes it once more.
A mutant whose tests are asked for by their names would then be met by an error instead of by its tests.
"""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Forget the names of last time."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        if mark._param_ids_from is not None:  # noqa: SLF001 - there is no other way to it
            object.__setattr__(mark._param_ids_from, "_param_ids_generated", None)  # noqa: SLF001 - as above
