"""A bad value in main.cf ends every command, whether the command needs it or not."""

from importlib import import_module
from pathlib import Path

import pytest

from pyfix.unix import msg

# Statuses as observed of Postfix 3.11.7.
COMMANDS = [
    (["postqueue", "-p"], 69), (["postqueue", "-f"], 69),
    (["postmap", "-q", "a", "static:b"], 1), (["postalias", "-q", "a", "static:b"], 1),
    (["postlog", "x"], 1), (["postcat", "-q", "A"], 1), (["postsuper", "-p"], 1), (["postdrop"], 1),
    (["postkick", "public", "pickup", "W"], 1), (["postlock", "box", "true"], 75),
    (["sendmail", "a@b.test"], 75), (["sendmail", "-bp"], 75), (["sendmail", "-bi"], 75), (["sendmail", "-q"], 75),
    (["mailq"], 75), (["newaliases"], 75),
    (["postfix", "status"], 1), (["postfix", "stop"], 1), (["postmulti", "-l"], 1),
    (["postconf", "-m"], 1), (["postconf", "-b"], 1), (["postconf", "-t"], 1),
    (["postconf", "-n"], 0), (["postconf", "-x", "message_size_limit"], 0), (["postconf", "-l"], 0),
]  # fmt: skip


@pytest.fixture(autouse=True)
def sinks():
    before = msg.to()
    yield
    msg.to(*before)


@pytest.mark.parametrize(("words", "status"), COMMANDS, ids=[" ".join(words) for words, _ in COMMANDS])
def test_a_bad_number_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str], status: int
) -> None:
    (tmp_path / "main.cf").write_text(
        f"compatibility_level = 3.11\nqueue_directory = {tmp_path}\nmessage_size_limit = abc\n"
        "maillog_file = /dev/stdout\n"
    )
    (tmp_path / "master.cf").touch()
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))
    monkeypatch.setattr("pyfix.commands.mail_conf.DEFAULT_DIRECTORY", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    try:
        found = import_module(f"pyfix.commands.{words[0]}").main(words)
    except SystemExit as end:
        found = end.code
    assert found == status
    said = capfd.readouterr().err
    wanted = f"fatal: {tmp_path}/main.cf, line 3: bad numerical configuration: message_size_limit = abc"
    assert (wanted in said) == bool(status), said
