import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pyfix.config import edit
from pyfix.config.edit import Action
from pyfix.config.main_cf import BadConfig, MainCf

TOP = Path(__file__).parents[2]
MAIN_CF = """\
# Head
myorigin = $mydomain

# about bar
bar = one,
  # within
    two

  three
#relayhost = old
baz = 1
"""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"myorigin": "x"}, MAIN_CF.replace("$mydomain", "x"), id="a value"),
        pytest.param(
            {"bar": "new"},
            MAIN_CF.replace("bar = one,\n", "bar = new\n").replace("    two\n", "").replace("  three\n", ""),
            id="a value of several lines",
        ),
        pytest.param({"relayhost": "a b", "c": ""}, f"{MAIN_CF}relayhost = a b\nc = \n", id="new ones"),
        pytest.param(
            {"bar": Action.REMOVE},
            MAIN_CF.replace("bar = one,\n", "").replace("    two\n", "").replace("  three\n", ""),
            id="remove",
        ),
        pytest.param(
            {"bar": Action.COMMENT},
            MAIN_CF.replace("bar =", "#bar =").replace("    two", "#    two").replace("  three", "#  three"),
            id="comment out",
        ),
        pytest.param({"nosuch": Action.REMOVE, "other": Action.COMMENT}, MAIN_CF, id="not there"),
    ],
)
def test_only_what_is_asked_for_changes(changes: dict[str, edit.Change], text: str) -> None:
    assert edit.edited(MAIN_CF, changes) == text


def test_a_last_line_without_an_end_gets_one() -> None:
    assert edit.edited("a = 1", {"b": "2"}) == "a = 1\nb = 2\n"


def test_an_empty_file_is_begun() -> None:
    assert edit.edited("", {"b": "2"}) == "b = 2\n"


def test_lines_that_make_no_sense_are_left_alone() -> None:
    text = "a = 1\nfoo\n= x\n  bad\nb = 2\r\n"
    assert edit.edited(text, {"b": "3"}) == "a = 1\nfoo\n= x\n  bad\nb = 3\n"


def test_every_entry_of_a_name_changes_with_a_warning(logged: list[str]) -> None:
    text = "a = 1\nb = 2\na = 3\n  4\n"
    assert edit.edited(text, {"a": "new"}, "/etc/postfix/main.cf") == "a = new\nb = 2\na = new\n"
    assert logged == ['warning: /etc/postfix/main.cf: multiple entries for "a"']


def test_a_change_that_is_read_again_has_its_value() -> None:
    text = edit.edited(MAIN_CF, {"bar": "x y", "q": "$bar"})
    assert MainCf.from_text(text).value("q") == "x y"


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("bar", """missing '=' after attribute name: "bar\""""),
        ("=x", 'missing attribute name: "=x"'),
        ("a b=c", """missing '=' after attribute name: "a b=c\""""),
        ("a = b\n c", "-e, -X, or -# accepts no multi-line input"),
    ],
)
def test_a_bad_change_is_refused(argument: str, problem: str) -> None:
    with pytest.raises(BadConfig) as error:
        edit.parse_changes([argument])
    assert str(error.value) == problem


def test_of_two_changes_the_last_counts(logged: list[str]) -> None:
    assert edit.parse_changes(["a = 1", "a=2"]) == {"a": "2"}
    assert logged == ["warning: ignoring earlier request: 'a = 1'"]


@pytest.mark.parametrize(
    ("argument", "problem"),
    [("a=1", "requires parameter names without value"), (" ", "requires non-blank parameter names")],
)
def test_bad_names_are_refused(argument: str, problem: str) -> None:
    with pytest.raises(BadConfig, match=problem):
        edit.parse_names([argument], Action.REMOVE)


def test_the_file_keeps_its_mode_owner_and_odd_bytes(tmp_path: Path) -> None:
    path = tmp_path / "main.cf"
    path.write_bytes(b"a = \xff\n# \xe9\n")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    before = path.stat()
    edit.edit_file(str(path), {"b": "1"})
    after = path.stat()
    assert path.read_bytes() == b"a = \xff\n# \xe9\nb = 1\n"
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o640, before.st_uid, before.st_gid)
    assert os.listdir(tmp_path) == ["main.cf"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("a = 1\n")
    (tmp_path / "main.cf").symlink_to("real")
    edit.edit_file(str(tmp_path / "main.cf"), {"a": "2"})
    assert (tmp_path / "main.cf").is_symlink()
    assert (tmp_path / "real").read_text() == "a = 2\n"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = f"{tmp_path}/main.cf"
    with pytest.raises(BadConfig, match=f"open {path} for reading: No such file or directory"):
        edit.edit_file(path, {"a": "2"})


EDITS = """
import sys
from pyfix.config import edit
for number in range(25):
    edit.edit_file(sys.argv[1], {f"name_{sys.argv[2]}_{number}": str(number)})
"""


def test_edits_at_once_see_one_another(tmp_path: Path) -> None:
    path = tmp_path / "main.cf"
    path.write_text("a = 1\n")
    command = [sys.executable, "-c", EDITS, str(path)]
    running = [subprocess.Popen([*command, str(number)], cwd=TOP) for number in range(4)]
    assert [process.wait(30) for process in running] == [0, 0, 0, 0]
    assert len(path.read_text().splitlines()) == 101
    assert os.listdir(tmp_path) == ["main.cf"]


def test_nobody_sees_a_half_written_or_open_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "main.cf"
    path.write_text("a = 1\n")
    path.chmod(0o640)
    seen: list[tuple[str, int, str]] = []

    def look(text: str) -> str:
        new = tmp_path / "main.cf.tmp"
        seen.append((path.read_text(), stat.S_IMODE(new.stat().st_mode), new.read_text()))
        return "b = 2\n"

    (tmp_path / "main.cf.tmp").write_text("left over by a crash")
    (tmp_path / "main.cf.tmp").chmod(0o600)
    edit.rewrite(str(path), look)
    assert seen == [("a = 1\n", 0o600, "")]
    assert path.read_text() == "b = 2\n"


@pytest.mark.parametrize("where", ["write", "flush"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, where: str) -> None:
    path = tmp_path / "main.cf"
    path.write_text("a = 1\n" * (1 if where == "flush" else 100_000))
    before = path.read_text()
    code = (
        "import resource, signal, sys; from pyfix.config import edit; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3, 3)); edit.edit_file(sys.argv[1], {'b': '1'})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, cwd=TOP, check=False)
    assert done.stderr.splitlines()[-1].endswith(f"BadConfig: open {path} for writing: File too large")
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["main.cf"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "main.cf"
    path.write_text("a = 1\n")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BadConfig, match="for writing: No space left on device"):
        edit.edit_file(str(path), {"a": "2"})
    assert path.read_text() == "a = 1\n"
    assert os.listdir(tmp_path) == ["main.cf"]
