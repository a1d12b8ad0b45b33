"""Tables and keys that chance makes, beside real Postfix: the same answers to all, in one run of postmap each.

What is no good rule to either is fuzz for both; nothing may stop them.
"""

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyfix.maps.open import open_or_fail
from pyfix.maps.table import TableError
from pyfix.unix import msg

Run = Callable[..., "CompletedProcess[bytes]"]

a_few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def ask_both(postfix: Run, here: Path, table_type: str, lines: list[str], keys: list[str]) -> None:
    (here / "t").write_text("\n".join(lines) + "\n")
    os.utime(here / "t", (1000, 1000))
    before = msg.to(lambda *_: None)
    try:
        table = open_or_fail(f"{table_type}:t")
        ours = {key: value for key in keys if (value := found(table.lookup_now, key)) is not None}
    finally:
        msg.to(*before)
    done = postfix("postmap", "-q", "-", f"{table_type}:t", stdin="".join(f"{key}\n" for key in keys).encode())
    assert b"fatal" not in done.stderr
    theirs = dict(line.split("\t", 1) for line in done.stdout.decode(errors="surrogateescape").splitlines())
    assert ours == theirs, done.stderr.decode()


def found(lookup: Callable[[str], str | None], key: str) -> str | None:
    try:
        return lookup(key)
    except TableError:
        return None


# Regular expressions

PIECES = ["a", "b", "ab", "abc", "B", ".", "[a-c]", "[^b]", "(a|b)", "(ab|c)*", "x+", "c?", "^", "$", "a{2}", "\\.",
          "[[:alpha:]]", "(", ")", "|", "*", "\\", "[", "{", "a{1,", "(a)(b)", "@", "é"]  # fmt: skip
RESULTS = ["ok", "$1", "${1}x", "$(2)", "$$", "a$b", "$", "$3", "", "x  y"]
PATTERN_LINES = st.lists(
    st.one_of(
        st.builds(
            "{}/{}/{} {}".format,
            st.sampled_from(["", "", "", "!", "! "]),
            st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join),
            st.sampled_from(["", "", "i", "m", "im", "q"]),
            st.sampled_from(RESULTS),
        ),
        st.builds("if {}/{}/".format, st.sampled_from(["", "!"]), st.sampled_from(PIECES)),
        st.sampled_from(["endif", "ENDIF x", "# c", "  more", "/open", "if", "if x", "text", "|a|b| c", "!"]),
    ),
    min_size=1,
    max_size=25,
)
TEXTS = st.lists(st.text(st.sampled_from("aabbcxB.@é-"), min_size=1, max_size=6), min_size=5, max_size=25)


@pytest.mark.parametrize("table_type", ["regexp", "pcre"])
@a_few
@given(PATTERN_LINES, TEXTS)
def test_regular_expressions(postfix: Run, here: Path, table_type: str, lines: list[str], keys: list[str]) -> None:
    if table_type == "pcre":
        pytest.importorskip("pcre2", reason="the extra pcre is not installed")
    ask_both(postfix, here, table_type, lines, keys)


# Networks

NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "0.0.0.0/0", "10.1.2.3/24", "1.2.3", "10.0.0.0/40",
            "2001:db8::/32", "[2001:db8::]/48", "[::1]", "::/0", "[10.0.0.0]/8", "x", "10.0.0.0/", "[::1"]  # fmt: skip
NETWORK_LINES = st.lists(
    st.one_of(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["", "", "!", "if ", "if !", "! "]),
            st.sampled_from(NETWORKS),
            st.sampled_from([" one", " two words", ""]),
        ),
        st.sampled_from(["endif", "endif x", "# c", " more", "if", "!"]),
    ),
    min_size=1,
    max_size=20,
)
ADDRESSES = ["10.1.2.3", "10.1.2.4", "10.1.3.1", "10.2.0.1", "11.1.1.1", "0.0.0.0", "255.255.255.255", "::1",
             "2001:db8::1", "2001:DB8:1::1", "::", "10.1.2", "x", "[::1]", "010.1.2.3"]  # fmt: skip


@a_few
@given(NETWORK_LINES)
def test_networks(postfix: Run, here: Path, lines: list[str]) -> None:
    ask_both(postfix, here, "cidr", lines, ADDRESSES)


# Texts

WORDS = st.text(st.sampled_from("abAB\"\\:#@é ,"), min_size=1, max_size=6)
TEXT_LINES = st.lists(
    st.builds("{}{}{}".format, WORDS, st.sampled_from([" ", "\t", "  ", "", ": "]), WORDS), min_size=1, max_size=25
)


@a_few
@given(TEXT_LINES, st.lists(WORDS.map(str.strip).filter(bool), max_size=10))
def test_texts(postfix: Run, here: Path, lines: list[str], keys: list[str]) -> None:
    words = [word for line in lines for word in line.split()]
    ask_both(postfix, here, "texthash", lines, [*keys, *words])
