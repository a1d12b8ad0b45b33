"""Configurations shaped like those that many people run: loaded, checked, and shown as Postfix shows them."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from pyfix.commands import postconf, postfix
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import load_services
from pyfix.unix import msg

FOLDER = Path(__file__).parent / "configs"
SETUPS = sorted(path.name for path in FOLDER.iterdir())
REAL = shutil.which("postconf", path="/usr/sbin:/usr/bin")
LONG_AGO = 1_000_000_000  # real postconf waits until a file is some seconds old
SHOWN = ["-n", "-nx", "-nf", "-M", "-Mf", "-Mx", "-P", "-Px", "-F", "-C user"]
NEW = {"smtpd_forbid_bare_newline", "postscreen_denylist_action"}  # what 3.7 does not know, or not all of it


@pytest.fixture(params=SETUPS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for name in ("main.cf", "master.cf"):
        shutil.copy(FOLDER / request.param / name, tmp_path)
        os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    return tmp_path


def test_it_loads(folder: Path) -> None:
    main = MainCf.load(folder)
    assert len(main.names()) > 15
    assert len(load_services(main)) > 20
    postfix.check_parameters(main)


def test_it_passes_postfix_check(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        try:
            owner = pwd.getpwnam("postfix").pw_name
        except KeyError:
            pytest.skip("there is no user postfix")
    else:
        owner = pwd.getpwuid(os.getuid()).pw_name
    with (folder / "main.cf").open("a") as file:
        file.write(f"queue_directory = {folder}/queue\ndata_directory = {folder}/data\nmaillog_file = {folder}/log\n")
        file.write(f"maillog_file_prefixes = {folder}\nmail_owner = {owner}\n")
    monkeypatch.setattr("sys.argv", ["postfix", "-c", str(folder), "check"])
    before = msg.to()
    try:
        assert postfix.main() == 0
    finally:
        msg.to(*before)
    assert "fatal" not in capfd.readouterr().err


@pytest.mark.parametrize("options", SHOWN)
def test_postconf_shows_what_postfix_shows(folder: Path, capsys: pytest.CaptureFixture[str], options: str) -> None:
    if REAL is None:
        pytest.skip("real postconf is not installed")
    done = subprocess.run([REAL, "-c", str(folder), *options.split()], capture_output=True, text=True, check=False)
    before = msg.to()
    status = postconf.main(["postconf", "-c", str(folder), *options.split()])
    msg.to(*before)
    ours = capsys.readouterr()
    assert (status, ours.out) == (done.returncode, done.stdout)
    theirs = {line.replace(f"{REAL}: ", "postconf: ") for line in done.stderr.splitlines()}
    assert {*filter(in_all_releases, ours.err.splitlines())} == {*filter(in_all_releases, theirs)}


def in_all_releases(line: str) -> bool:
    return "will be removed" not in line and "DEPRECATION_README" not in line and not any(name in line for name in NEW)
