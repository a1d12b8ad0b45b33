"""What an expression needs, and that leaving out others changes no answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyfix.maps import patterns, regcomp
from pyfix.maps.literals import required
from pyfix.maps.open import open_or_fail


@pytest.mark.parametrize(
    ("pattern", "perl", "choice"),
    [
        ("^From: .*@CASINO", False, ["@casino"]),
        (r"^X-.*\.example\.com", False, [".example.com"]),
        ("a(bc|def)g", False, ["bc", "def"]),
        ("long text(b|c|)", False, ["long text"]),
        ("abc?", False, ["ab"]),
        ("abc*de", False, ["ab"]),
        ("xab+cd", False, ["xab"]),
        ("x{2}yz", False, ["yz"]),
        ("x{0,2}yz", False, ["yz"]),
        ("(abc)?d", False, ["d"]),
        ("(abc)+d", False, ["abc"]),
        ("abc|def", False, ["abc", "def"]),
        ("abc|", False, []),
        ("[]abc]+de[[:digit:]]f", False, ["de"]),
        ("ab+?", False, []),
        ("ab+?c", True, ["ab"]),
        (r"a\1", False, []),
        (r"a\d+bc", True, ["bc"]),
        (r"\Qa*\E", True, []),
        ("(?:abc|de)f", True, ["abc", "de"]),
        ("(?!abc)f", True, []),
        ("(?i)abc", True, []),
        (r"[\]x]abc", True, ["abc"]),
        ("a{", False, []),
        ("\u00c9tat", False, ["\u00c9tat"]),
    ],
)
def test_the_rarest_text_is_found(pattern: str, perl: bool, choice: list[str]) -> None:
    wanted = tuple(text.encode() for text in choice)
    assert required(pattern.encode(), perl=perl) == wanted


PATTERNS = st.text(st.sampled_from("aabbcC1.[]()|*+?{},^$\\-:dQ<=! "), max_size=14).map(str.encode)
TEXTS = st.text(st.sampled_from("abcC1.]|*+?{},\\-:dQ<=! "), max_size=14).map(str.encode)


def is_there(pattern: bytes, text: bytes, *, perl: bool) -> bool:
    needs = required(pattern, perl=perl)
    return not needs or any(literal in text.lower() for literal in needs)


@settings(max_examples=600, deadline=None)
@given(PATTERNS, st.lists(TEXTS, min_size=5, max_size=15))
def test_what_matches_has_the_text_that_posix_expressions_need(pattern: bytes, texts: list[bytes]) -> None:
    try:
        compiled = regcomp.Pattern(pattern, regcomp.EXTENDED | regcomp.ICASE)
    except regcomp.BadPatternError:
        return
    for text in [*texts, pattern]:
        assert not compiled.search(text) or is_there(pattern, text, perl=False), text


@settings(max_examples=600, deadline=None)
@given(PATTERNS, st.lists(TEXTS, min_size=5, max_size=15))
def test_what_matches_has_the_text_that_perl_expressions_need(pattern: bytes, texts: list[bytes]) -> None:
    pcre2 = pytest.importorskip("pcre2", reason="the extra pcre is not installed")
    try:
        compiled = pcre2.compile(pattern, 8 | pcre2.ASCII)  # CASELESS
    except pcre2.PatternError:
        return
    for text in [*texts, pattern]:
        assert not compiled.search(text) or is_there(pattern, text, perl=True), text


WORDS = st.sampled_from(["abc", "bcd", "abcd", "(abc|bcd)", "a.c", "^ab", "d$", "ab+c", "xyz"])
RULES = st.lists(
    st.one_of(
        st.builds("/{}/ {}".format, WORDS, st.integers(0, 99)),
        st.builds("!/{}/ {}".format, WORDS, st.integers(0, 99)),
        st.builds("if /{}/".format, WORDS),
        st.builds("if !/{}/".format, WORDS),
        st.just("endif"),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(RULES, st.lists(st.text(st.sampled_from("abcdxyz"), max_size=8), max_size=8))
def test_an_index_changes_no_answer(rules: list[str], keys: list[str]) -> None:
    spec = "regexp:{" + " ".join([f"{{{rule}}}" for rule in rules]) + "}"
    plain = open_or_fail(spec)
    before = patterns.LONG
    patterns.LONG = 1
    try:
        indexed = open_or_fail(spec)
    finally:
        patterns.LONG = before
    for rule in plain.source._patterns._rules:
        rule.needs = ()
    assert [indexed.lookup_now(key) for key in keys] == [plain.lookup_now(key) for key in keys]
