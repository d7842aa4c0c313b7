import pytest

from fini_gate.names import Names

GIVEN = {"timeout": "--timeout", "api-url": "FINI_GATE_API_URL", "ca-bundle": "ca-bundle"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Raise «timeout».", "Raise --timeout."),
        ("«Input timeout» is 1.", "Option --timeout is 1."),
        ("Check «input api-url».", "Check variable FINI_GATE_API_URL."),
        ("«Input ca-bundle» and «if-no-jobs»", "Input ca-bundle and if-no-jobs"),
        ("a « b », «Two words», {timeout}", "a « b », «Two words», {timeout}"),
    ],
)
def test_names__fill_a_message_in(template: str, expected: str) -> None:
    """A setting is called by what the user set: an option, a variable or an input."""
    assert Names(given=GIVEN).fill_in(template) == expected


def test_names__of_what_is_not_set_are_those_of_the_place() -> None:
    """A workflow has inputs; anywhere else there are options."""
    assert Names().name_of("timeout") == "timeout"
    assert Names(has_options=True).fill_in("Set «input timeout».") == "Set option --timeout."
