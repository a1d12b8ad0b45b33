import pytest

from pyfix.unix import msg


@pytest.fixture
def lines():
    collected = []
    before = msg.to(lambda priority, text: collected.append((priority, text)))
    yield collected
    msg.to(*before)


def test_severity_word_starts_the_line(lines):
    msg.info("one")
    msg.warning("two")
    msg.error("three")
    assert lines == [
        (msg.Priority.INFO, "one"),
        (msg.Priority.WARNING, "warning: two"),
        (msg.Priority.ERROR, "error: three"),
    ]


def test_fatal_ends_the_program_with_status_1(lines):
    with pytest.raises(SystemExit) as caught:
        msg.fatal("no such table")
    assert caught.value.code == 1
    assert lines == [(msg.Priority.FATAL, "fatal: no such table")]


def test_panic_says_so(lines):
    with pytest.raises(msg.Fatal):
        msg.panic("impossible")
    assert lines == [(msg.Priority.PANIC, "panic: impossible")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb", "a?b"), ("tab\there", "tab?here"), ("ü fine", "ü fine"), ("\udcff", "?"), ("\x1b[0m", "?[0m"),
        ("\x7f\x80\x85\x9f", "????"),
    ],
)
def test_nothing_from_outside_forges_a_line(lines, text, line):
    msg.info(text)
    assert lines[0][1] == line


@pytest.mark.parametrize("text", ["a\u00a0b", "\u200d", "\u3000", "\ue000", "\ufeff", "\u0378"])
def test_characters_that_are_no_controls_stay(lines, text):
    msg.info(text)
    assert lines == [(msg.Priority.INFO, text)]


def test_commands_write_to_standard_error_under_their_name(capsys):
    before = msg.to()
    msg.to_stderr("postmap")
    msg.warning("duplicate entry")
    msg.to(*before)
    assert capsys.readouterr().err == "postmap: warning: duplicate entry\n"


def test_several_sinks_hear_the_same():
    first, second = [], []
    before = msg.to(lambda _, text: first.append(text), lambda _, text: second.append(text))
    msg.info("x")
    msg.to(*before)
    assert first == second == ["x"]


def test_where_only_ascii_prints_each_other_byte_is_a_question_mark(lines, monkeypatch):
    monkeypatch.setattr(msg, "ascii_only", True)
    msg.info("a")
    msg.info("ü\udcff\n")
    msg.warning("€")
    assert [text for _, text in lines] == ["a", "????", "warning: ???"]
