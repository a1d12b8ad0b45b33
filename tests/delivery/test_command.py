"""Commands: how they end, what that means, and that nothing about them blocks an agent."""

import os
import time
from pathlib import Path

import pytest

from pyfix.delivery.command import OUTPUT_LIMIT, Command, Ended, judge, plain_words, printable, run

ME = os.getuid(), os.getgid()


def deliver(text: str, message: bytes = b"hello\n", limit: float = 10, **more) -> tuple[str, str]:
    command = Command(text, *ME, {"A": "b"}, limit=limit, **more)
    verdict = judge(run(command, iter((message,))), text)
    return verdict.status, verdict.reason


SYSEXITS = {
    64: ("5.3.0", "command line usage error"),
    65: ("5.6.0", "data format error"),
    66: ("5.3.0", "cannot open input"),
    67: ("5.1.1", "user unknown"),
    68: ("5.1.2", "host name unknown"),
    69: ("5.3.0", "service unavailable"),
    70: ("5.3.0", "internal software error"),
    71: ("4.3.0", "system resource problem"),
    72: ("5.3.0", "critical OS file missing"),
    73: ("5.2.0", "can't create user output file"),
    74: ("5.3.0", "input/output error"),
    75: ("4.3.0", "temporary failure"),
    76: ("5.5.0", "remote error in protocol"),
    77: ("5.7.0", "permission denied"),
    78: ("5.3.5", "local configuration error"),
}


@pytest.mark.parametrize(("code", "wanted"), SYSEXITS.items())
def test_each_number_of_sysexits_has_its_words(code: int, wanted: tuple[str, str]) -> None:
    assert (judge(Ended(code << 8, ""), "x").status, judge(Ended(code << 8, ""), "x").reason) == wanted
    assert judge(Ended(code << 8, "out "), "x").reason == f"{wanted[1]}. Command output: out "


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (Ended(67 << 8, ""), "user unknown"),
        (Ended(3 << 8, ""), "unknown mail system error 3"),
        (Ended(3 << 8, "out "), "out "),
        (Ended(0, "", timed_out=True), "internal software error"),
        (Ended(0, "out ", timed_out=True), "out "),
    ],
    ids=["sysexits", "other", "output", "slow", "slow with output"],
)
def test_a_report_has_words_for_a_command_that_said_nothing(ended: Ended, text: str) -> None:
    assert judge(ended, "x").text == text


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("true", "2.0.0", ""),
        ("echo fine", "2.0.0", "fine "),
        ("exit 0", "2.0.0", ""),
        ("echo bad thing; exit 1", "5.3.0",
         'Command died with status 1: "echo bad thing; exit 1". Command output: bad thing '),
        ("exit 99", "5.3.0", 'Command died with status 99: "exit 99"'),
        ("echo 4.7.9 come later; exit 9", "4.7.9", "come later "),
        ("echo 5.7.9 never; exit 75", "5.7.9", "never "),
        ("echo 5.7.9 never", "2.0.0", "5.7.9 never "),
        ("echo ' 5.7.9 never'; exit 67", "5.1.1", "user unknown. Command output:  5.7.9 never "),
        ("printf 'a\\000b'; exit 67", "5.1.1", "user unknown. Command output: a"),
        ("kill -9 $$", "4.3.0", 'Command died with signal 9: "kill -9 $$"'),
        ("echo hi; kill -TERM $$", "4.3.0",
         'Command died with signal 15: "echo hi; kill -TERM $$". Command output: hi '),
        ("notthere", "5.3.0",
         'Command died with status 127: "notthere". Command output: sh: 1: notthere: not found '),
        ("/not/there x", "4.3.0",
         "temporary failure. Command output: local: fatal: execvp /not/there: No such file or directory "),
        ("printf 'a\\001b\\tc\\nd\\377'; exit 65", "5.6.0", "data format error. Command output: a_b c d_"),
    ],
)  # fmt: skip
def test_how_it_ended(text: str, status: str, reason: str) -> None:
    if text == "notthere" and "dash" not in os.path.realpath("/bin/sh"):
        pytest.skip("words of another shell")
    assert deliver(text) == (status, reason)


def test_time_is_up_for_all_that_it_started(tmp_path) -> None:
    text = f"sh -c 'echo $$ >{tmp_path}/pid; sleep 60' & echo out; sleep 60"
    assert deliver(text, limit=0.5) == (
        "5.3.0", f'Command time limit exceeded: "{text}". Command output: out '
    )  # fmt: skip
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            break
        if state == "Z":
            break
        time.sleep(0.02)
    else:
        pytest.fail("it still runs")


def test_full_pipes_do_not_block() -> None:
    text = "head -c 300000 /dev/zero | tr '\\000' '\\001'; cat >/dev/null; exit 1"
    status, reason = deliver(text, b"x" * 300000)
    assert status == "5.3.0"
    assert reason.endswith("_" * OUTPUT_LIMIT)


def test_a_command_need_not_read() -> None:
    assert deliver("exit 0", b"x" * 1000000) == ("2.0.0", "")


def test_endless_output_ends() -> None:
    status, reason = deliver("cat >/dev/null; yes", limit=30)
    assert status == "5.3.0"
    assert reason.startswith('Command died with status 1: "cat >/dev/null; yes". Command output: y y y ')


def test_no_shell_where_none_is_needed() -> None:
    assert plain_words("/usr/bin/procmail -t -a ext") == ["/usr/bin/procmail", "-t", "-a", "ext"]
    assert plain_words("cat >/dev/null") == []
    assert plain_words("echo $HOME") == []
    assert plain_words(" ") == []


def test_words_are_not_looked_at_by_a_shell() -> None:
    command = Command("echo", *ME, {}, argv=("echo", "$HOME;`id`", "a b"))
    assert run(command, iter(())).output == "$HOME;`id` a b "


def test_it_has_this_environment_and_no_other() -> None:
    assert sorted(deliver("/usr/bin/env")[1].split()) == ["A=b", "PATH=/usr/bin:/bin"]


def test_a_shell_that_is_not_there_is_named() -> None:
    assert deliver("foo", shell="/not/there -c") == (
        "4.3.0",
        "temporary failure. Command output: local: fatal: pipe_command: execvp /not/there: No such file or directory ",
    )


def test_it_can_not_raise_the_limit_of_its_files() -> None:
    text = "ulimit -S -f; ulimit -H -f"  # in units of 512 bytes
    assert deliver(text, file_limit=1 << 20) == ("2.0.0", "2048 2048 ")


def test_descriptors_of_the_agent_are_closed(tmp_path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        assert deliver(f"test -e /proc/self/fd/{fd} && echo open; true") == ("2.0.0", "")
    finally:
        os.close(fd)


def test_a_message_that_breaks_kills_it() -> None:
    def broken():
        yield b"x"
        raise ValueError

    with pytest.raises(ValueError):
        run(Command("sleep 60", *ME, {}), broken())


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: to become somebody")
def test_it_runs_as_that_user_in_one_group() -> None:
    verdict = judge(run(Command("id -u; id -G", 5, 60, {}), iter(())), "x")
    assert verdict.reason == "5 60 "


def test_output_on_one_line() -> None:
    assert printable(b"a\nb\tc\x00\xc3\xa9") == "a b c___"
