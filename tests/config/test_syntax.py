import pytest

from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.syntax import logical_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("a = 1\n", [(1, "a = 1")], id="one line"),
        pytest.param("a = 1", [(1, "a = 1")], id="no line end"),
        pytest.param("# x\n\n \t\na = 1\n", [(3 + 1, "a = 1")], id="comments and empty lines"),
        pytest.param("a = x \n  y\n\tz\nb = 1\n", [(1, "a = x   y\tz"), (4, "b = 1")], id="continued"),
        pytest.param("a = 1\n# c\n\n  # d\n  2\n", [(1, "a = 1  2")], id="comment and empty line within"),
        pytest.param("  a = 1\nb = 2\n", [(1, "  a = 1"), (2, "b = 2")], id="white space first"),
        pytest.param("a = 1\r\n \r\n b\r\n", [(1, "a = 1\r b\r")], id="carriage returns"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_logical_lines_are_joined_and_numbered(text: str, lines: list[tuple[int, str]]) -> None:
    assert [tuple(line) for line in logical_lines(text)] == lines


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a=b", "a", "b"),
        ("a = b c ", "a", "b c"),
        ("a\t=\tb", "a", "b"),
        ("a =", "a", ""),
        ("a == b", "a", "= b"),
        ("a = b\r\n", "a", "b"),
        ("a = x\n  y", "a", "x  y"),
        ("a-b{ = c", "a-b{", "c"),
        ("a = b\0c = d", "a", "b"),
        ("a = \xe9", "a", "\xe9"),
    ],
)
def test_a_setting_is_name_and_value(text: str, name: str, value: str) -> None:
    assert MainCf.from_text(text).raw(name) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nfoo\n", """main.cf, line 2: missing '=' after attribute name: "foo\""""),
        ("# c\n\nfoo\n bar\n", """main.cf, line 3: missing '=' after attribute name: "foo bar\""""),
        ("my origin = x", """main.cf, line 1: missing '=' after attribute name: "my origin = x\""""),
        ("= x", """main.cf, line 1: missing attribute name: "= x\""""),
        ("{ a = b }", """main.cf, line 1: missing '=' after attribute name: "{ a = b }\""""),
    ],
)
def test_a_syntax_error_has_file_and_line(text: str, message: str) -> None:
    with pytest.raises(BadConfig) as error:
        MainCf.from_text(text)
    assert str(error.value) == message


def test_the_last_setting_of_a_name_counts_and_is_warned_of(logged: list[str]) -> None:
    main = MainCf.from_text("a = 1\n  x\nb = 2\na = 3\n")
    assert main.raw("a") == "3"
    assert logged == ["warning: main.cf, line 4: overriding earlier entry: a=1  x"]


def test_white_space_at_the_very_beginning_is_warned_of_and_ignored(logged: list[str]) -> None:
    main = MainCf.from_text("  a = 1\nb = 2\n")
    assert (main.raw("a"), main.raw("b")) == (None, "2")
    assert logged == ['warning: main.cf: logical line must not start with whitespace: "  a = 1"']


def test_bytes_that_are_no_utf_8_survive(tmp_path) -> None:
    (tmp_path / "main.cf").write_bytes(b"a = \xe9\xff\n")
    value = MainCf.load(tmp_path).raw("a")
    assert value is not None
    assert value.encode("utf-8", "surrogateescape") == b"\xe9\xff"


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(BadConfig, match=f"open {tmp_path}/main.cf: No such file or directory"):
        MainCf.load(tmp_path)


def test_overrides_win_over_main_cf_and_later_ones_over_earlier() -> None:
    main = MainCf.from_text("a = 1\nb = 2\n", [("a", "over")])
    again = main.with_overrides([("b", "more"), ("c", "new")])
    assert [again.raw(name) for name in "abcd"] == ["over", "more", "new", None]
    assert main.raw("b") == "2"
    assert set(again.names()) == {"a", "b", "c"}
