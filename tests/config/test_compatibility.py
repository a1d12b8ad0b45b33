import pytest

from pyfix.config import compatibility
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import lines_of


@pytest.mark.parametrize(
    ("level", "told"), [("0", True), ("3.6", True), ("3.11", False), ("3.11.1", False), ("99", False)]
)
def test_an_older_level_is_told(level: str, told: bool) -> None:
    lines = list(compatibility.notices(MainCf.from_text(f"compatibility_level = {level}\n")))
    assert (
        lines
        == [
            "Postfix is using backwards-compatible default settings",
            "See https://www.postfix.org/COMPATIBILITY_README.html for details",
            'To disable backwards compatibility use "postconf compatibility_level=3.11" and "postfix reload"',
        ]
        * told
    )


@pytest.mark.parametrize(("level", "told"), [("0", True), ("1", False), ("3.6", False)])
def test_a_jail_by_default_is_told(level: str, told: bool) -> None:
    master_cf = "a unix - - n - - smtp\nb unix - - - - - smtp\n\nc unix - - y - - smtp\n"
    lines = compatibility.jails(
        MainCf.from_text(f"compatibility_level = {level}\n"), lines_of(master_cf, "/c/master.cf")
    )
    assert list(lines) == ["/c/master.cf: line 2: using backwards-compatible default setting chroot=y"] * told
