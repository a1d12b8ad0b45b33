import pytest

from pyfix.maps.lines import decode, logical_lines
from pyfix.maps.source import alias_entry, is_alias_source, map_entry


def test_continuations_join_over_comments_and_keep_the_first_number() -> None:
    text = "# head\na 1\n  2\n#c\n\n \t\n   3\nb 4\n"
    assert list(logical_lines(text.split("\n"))) == [(2, "a 1  2   3"), (8, "b 4")]


def test_an_indented_line_with_nothing_to_continue_is_reported(log: list[str]) -> None:
    assert list(logical_lines(["  a 1", "b 2"], "F")) == [(2, "b 2")]
    assert log == ['warning: F: logical line must not start with whitespace: "  a 1"']


def test_only_a_line_feed_ends_a_line() -> None:
    assert list(logical_lines(["a x\x0by\x0c\x85\u2028z", "b"])) == [(1, "a x\x0by\x0c\x85\u2028z"), (2, "b")]


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("a b", ("a", "b")),
        ("a\tb  c \t", ("a", "b  c")),
        ('"a b" c', ('"a b"', "c")),
        ('"a \\" b" c', ('"a \\" b"', "c")),
        ('x"y z"@d v', ('x"y z"@d', "v")),
        ("a\\ b c", ("a\\ b", "c")),
        ('k "v w"', ("k", '"v w"')),
        ("k v\\", ("k", "v\\")),
    ],
)
def test_a_line_of_a_map_is_a_key_and_a_value(line: str, entry: tuple[str, str]) -> None:
    assert map_entry(line, "F, line 1") == entry


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a", "expected format: key whitespace value"),
        ("a  ", "expected format: key whitespace value"),
        ('"a b', "unbalanced '\"' in '\"a b' -- ignoring this line"),
        ('a "b', None),
        ('a"b c', "unbalanced '\"' in 'a\"b c' -- ignoring this line"),
    ],
)
def test_a_line_that_is_no_pair_is_reported(line: str, complaint: str | None, log: list[str]) -> None:
    entry = map_entry(line, "F, line 9")
    assert (entry is None) is (complaint is not None)
    assert log == ([f"warning: F, line 9: {complaint}"] if complaint else [])


def test_a_key_with_a_colon_is_kept_with_a_warning(log: list[str]) -> None:
    assert map_entry("k: v", "F, line 1") == ("k:", "v")
    assert log == ['warning: F, line 1: record is in "key: value" format; is this an alias file?']


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("root: a, b", ("root", "a, b")),
        ("Root:a,b,  c", ("Root", "a, b, c")),
        ('"quoted name": c', ("quoted name", "c")),
        ("name : d", ("name", "d")),
        ("inc: :include:/x", ("inc", ":include:/x")),
        ('pipe: "|/bin/x -a, b", c', ("pipe", '"|/bin/x -a, b", c')),
        ("a: b: c", ("a", "b:c")),
        ("q\\ x: v", ("q x", "v")),
        ("list; x: v", ("list;x", "v")),
        ("k v: x", ("k v", "x")),
        ("a: b@c.d", ("a", "b@c.d")),
    ],
)
def test_a_line_of_aliases_is_a_name_and_addresses(line: str, entry: tuple[str, str]) -> None:
    assert alias_entry(line, "F, line 1") == entry


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("bad line", "need name:value pair"),
        ("empty:  ", "need name:value pair"),
        (": x", "need name:value pair"),
        ('"unb: x', "need name:value pair"),
        ("a@b: c", "name must be local"),
        ("@: x", "name must be local"),
        ("a, b: c", "need name:value pair"),
        ("a, b@c: d", "need name:value pair"),
    ],
)
def test_a_line_that_is_no_alias_is_reported(line: str, complaint: str, log: list[str]) -> None:
    assert alias_entry(line, "F, line 2") is None
    assert log == [f"warning: F, line 2: {complaint}"]


ALIASES = [
    "root: x", "root:x", '"a b": c', "user@dom: x", "# c\nx: y", "[1:2]: c", "<a>: b", "a(b: c): d", "a;b: c", 'a"b":c',
    "x:y: z", "x.y: /dev/null", "/^a/: x", "@: @", "2001:db8:: OK", "a: b c: d", "a::b", "<a@b>:c", '"q w"@d: x',
    "Group: a, b;", "foo\nx: y", "a:\nx: y", " x: y\nb: c", "\n\n   \nb: c", 'a"b c": d', "a\\ b: c",
]  # fmt: skip
MAPS = [
    "", "# x", "foo", "root:", "a: ", "root :x", "root : x", '"a b" c', "a b: c", "a b:c", "user@dom x:y",
    "foo smtp:[x]:25", ":x y", "x\\: y", '"x:" y', "x y\nz: w", "[1::2] x", "a (b: c) d", "a,b: c", "x\ty: z",
    "x\n  : y", "2001:db8::1 x", '"unterminated: x', ":include:x y", "<a@b> : c", "(comment) x: y", '"x" "y": z',
    "a:b c", '"a"b c: d',
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), [(text, True) for text in ALIASES] + [(text, False) for text in MAPS])
def test_the_first_entry_tells_for_which_command_a_text_is(text: str, found: bool) -> None:
    # All seen of nbdb_reindexd of Postfix 3.11.7.
    assert is_alias_source(text.split("\n")) is found


def test_stray_bytes_become_surrogates() -> None:
    assert decode(b"a\xff") == "a\udcff"
