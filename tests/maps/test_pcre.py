import sys

import pytest

pytest.importorskip("pcre2", reason="the extra pcre is not installed")

from pyfix.maps.open import open_or_fail, open_table
from pyfix.maps.table import OpenError, TableError


@pytest.mark.parametrize(
    ("rules", "key", "value"),
    [
        ("{/(a|ab)(c|bcd)(d*)/ $1,$2,$3}", "abcd", "a,bcd,"),
        ("{/^ab/ x}", "ABC", "x"),
        ("{/^ab/i x}", "ABC", None),
        ("{/a.b/ x}", "a\nb", "x"),
        ("{/a.b/s x}", "a\nb", None),
        ("{/^b/m x}", "a\nb", "x"),
        ("{/a b/x x}", "ab", "x"),
        ("{/b/A x}", "ab", None),
        ("{/a$/ x}", "a\n", "x"),
        ("{/a$/E x}", "a\n", None),
        ("{/(x+)/U [$1]}", "xxx", "[x]"),
        ("{/^\\w$/ word}", "\xe9", None),
        ("{/(q)|(r)/ [$1][$2]}", "r", "[][r]"),
        (r"{/(?<!a)b\d+/ look}", "b1", "look"),
        ("{!/a/ no} {/./ yes}", "b", "no"),
        ("{if !/a/} {/./ out} {endif} {/./ in}", "a", "in"),
    ],
)
def test_the_first_rule_that_matches_gives_the_value(rules: str, key: str, value: str | None) -> None:
    assert open_or_fail(f"pcre:{{{rules}}}").lookup_now(key) == value


def test_bad_rules_are_reported_and_skipped(log: list[str]) -> None:
    table = open_or_fail("pcre:{{/(a/ x} {/a/q x} {/b/X y} {/a(b)/ $2} {/c x} {/d/! x}}")
    assert table.lookup_now("b") == "y"
    name = "warning: pcre map {{/(a/ x} {/a/q x} {/b/X y} {/a(b)/ $2} {/c x} {/d/! x}}, line"
    assert log == [
        f"{name} 1: error in regex at offset 2: missing closing parenthesis",
        f'{name} 2: unknown regexp option "q": skipping this rule',
        f'{name} 3: ignoring obsolete regexp option "X"',
        f'{name} 4: out of range replacement index "2": skipping this rule',
        f'{name} 5: no closing regexp delimiter "/": ignoring this rule',
        f'{name} 6: unknown regexp option "!": skipping this rule',
    ]


def test_endless_backtracking_is_reported_and_does_not_match(log: list[str]) -> None:
    table = open_or_fail("pcre:{{/^(a+)+$/ x} {/./ y}}")
    assert table.lookup_now("a" * 40 + "b") == "y"
    assert log == ["warning: pcre map {{/^(a+)+$/ x} {/./ y}}, line 1: match limit exceeded"]


def test_without_the_library_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pcre2", None)
    with pytest.raises(OpenError, match=r"pip install 'pyfix\[pcre\]'"):
        open_or_fail("pcre:{{/a/ b}}")
    with pytest.raises(TableError):
        open_table("pcre:{{/a/ b}}").lookup_now("a")
