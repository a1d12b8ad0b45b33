"""What import_environment and export_environment let through."""

import pytest

from pyfix.config.environment import let_through


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("TZ LANG=C", {"TZ": "UTC", "LANG": "C"}),
        ("TZ, MISSING", {"TZ": "UTC"}),
        ("{ X = a b } {TZ}", {"X": "a b", "TZ": "UTC"}),
        ("{X={a b}},TZ,{}", {"X": "{a b}", "TZ": "UTC"}),
    ],
)
def test_only_named_variables_are_taken_over(wanted, expected):
    assert let_through(wanted, {"TZ": "UTC", "SECRET": "x"}) == expected
