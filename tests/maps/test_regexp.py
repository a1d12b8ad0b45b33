from pathlib import Path

import pytest

from pyfix.maps import regcomp
from pyfix.maps.open import open_or_fail
from pyfix.maps.table import OpenError

RULES = r"""/(a/ x
/a/q x
endif
/c(d)e/ [$1]${1}$(1)$$
!/c/ $1
/d(e)/ $3
foo bar
/h/ $x
/i
/k/ $
/l(m)/ $1x
/o/ a${1
/p/ $0
if /q/ text
/qq/ two
endif junk
if /z/
/zz/
"""

COMPLAINTS = r"""line 1: Unmatched ( or \(
line 2: unknown regexp option "q": skipping this rule
line 3: ignoring ENDIF without matching IF
line 5: $number found in negative match replacement text: skipping this rule
line 6: out of range replacement index "3": skipping this rule
line 7: ignoring unrecognized request
line 8: non-numeric replacement index "x"
line 8: bad replacement syntax: skipping this rule
line 9: no closing regexp delimiter "/": skipping this rule
line 10: bad replacement syntax: skipping this rule
line 11: non-numeric replacement index "1x"
line 11: bad replacement syntax: skipping this rule
line 12: bad replacement syntax: skipping this rule
line 13: out of range replacement index "0"
line 13: bad replacement syntax: skipping this rule
line 14: ignoring extra text after IF statement: "text"
line 14: do not prepend whitespace to statements between IF and ENDIF
line 16: ignoring extra text after ENDIF
line 18: no replacement text: using empty string
line 17: IF has no matching ENDIF
"""


def test_each_bad_rule_is_reported_and_the_others_work(here: Path, log: list[str]) -> None:
    (here / "re").write_text(RULES)
    table = open_or_fail("regexp:re")
    assert [line for line in log if "map re" in line] == [
        f"warning: regexp map re, {line}" for line in COMPLAINTS.splitlines()
    ]
    assert 'warning: empty macro name: "$"' in log
    assert 'warning: truncated macro reference: "a${1"' in log
    assert table.lookup_now("xCDEx") == "[D]DD$"
    assert table.lookup_now("qq") == "two"
    assert table.lookup_now("q") is None


def lookup(rules: str, key: str) -> str | None:
    return open_or_fail(f"regexp:{{{rules}}}").lookup_now(key)


@pytest.mark.parametrize(
    ("rules", "key", "value"),
    [
        ("{/a|ab|abc/ $$}", "abc", "$"),
        ("{/(a|ab|abc)./ $1}", "abcd", "abc"),
        ("{/^a/i x}", "A", None),
        ("{/^a/ x}", "A", "x"),
        ("{/^a+$/x x}", "a+", "x"),
        ("{/^b$/ x}", "a\nb", None),
        ("{/^b$/m x}", "a\nb", "x"),
        ("{!/a/ no}", "b", "no"),
        ("{!!/a/ yes}", "a", "yes"),
        ("{~a/b~i slash}", "a/b", "slash"),
        ("{/a\\/b/ slash}", "a/b", "slash"),
        ("{/(x)|(y)/ [$1][$2]}", "y", "[][y]"),
        ("{/a/!/b/ only}", "a", "only"),
        ("{/a/!/b/ only}", "ab", None),
        ("{/^.$/ byte}", "é", None),
        ("{/^..$/ bytes}", "é", "bytes"),
        ("{/(.*)/ $1}", "\udcff", "\udcff"),
        ("{if /a/} {if !/b/} {/./ 1} {endif} {/./ 2} {endif} {/./ 3}", "a", "1"),
        ("{if /a/} {if !/b/} {/./ 1} {endif} {/./ 2} {endif} {/./ 3}", "ab", "2"),
        ("{if /a/} {if !/b/} {/./ 1} {endif} {/./ 2} {endif} {/./ 3}", "b", "3"),
        ("", "x", None),
    ],
)
def test_the_first_rule_that_matches_gives_the_value(rules: str, key: str, value: str | None) -> None:
    assert open_or_fail(f"regexp:{{{rules}}}", utf8=False).lookup_now(key) == value


def test_it_is_a_pattern_table_whose_keys_are_not_folded() -> None:
    table = open_or_fail("regexp:{{/(.*)/ $1}}")
    assert not table.fixed
    assert table.lookup_now("AbC") == "AbC"


def test_braces_that_do_not_match_are_an_error() -> None:
    with pytest.raises(OpenError, match=r"""regexp map: no '\{' at start of text in "/a/\""""):
        open_or_fail("regexp:{/a/ b}")


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(OpenError, match="open /no/such: No such file or directory"):
        open_or_fail("regexp:/no/such")


def test_the_library_tells_its_groups_and_errors() -> None:
    pattern = regcomp.Pattern(b"((a)|b)*c", regcomp.EXTENDED, captures=2)
    assert pattern.groups == 2
    assert pattern.search(b"xabc")
    assert (pattern.group(1, b"xabc"), pattern.group(0, b"xabc")) == (b"b", b"abc")
    with pytest.raises(regcomp.BadPatternError, match="Unmatched"):
        regcomp.Pattern(b"[a", regcomp.EXTENDED)
