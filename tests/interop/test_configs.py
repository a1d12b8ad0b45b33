"""Configurations shaped like those that many people run: loaded, checked, and shown as Postfix shows them."""

import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyfix.commands import check_config, postconf, postfix, postmap
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import load_services
from pyfix.unix import msg
from tests.real_postfix import release

TOP = Path(__file__).parents[2]
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
    assert list(postfix.bad_values(main)) == []


TABLE = re.compile(r"\b(hash|btree|texthash|cidr|pcre|regexp):(/[\w./-]+)")


@pytest.fixture
def complete(folder: Path) -> Path:
    """The same with directories, an owner and all its tables, in this folder."""
    owner = pwd.getpwuid(os.getuid()).pw_name if os.geteuid() else "postfix"
    try:
        pwd.getpwnam(owner)
    except KeyError:
        pytest.skip(f"there is no user {owner}")
    for name in ("main.cf", "master.cf"):
        text = (folder / name).read_text()
        (folder / name).write_text(TABLE.sub(lambda found: f"{found[1]}:{folder}{found[2]}", text))
        for kind, path in TABLE.findall(text):
            table = folder / path[1:]
            table.parent.mkdir(parents=True, exist_ok=True)
            table.write_text("")
            if kind in {"hash", "btree"}:
                postmap.main(["postmap", "-c", str(folder), f"{kind}:{table}"])
    with (folder / "main.cf").open("a") as file:
        file.write(f"queue_directory = {folder}/queue\ndata_directory = {folder}/data\nmail_owner = {owner}\n")
        file.write(f"maillog_file = {folder}/log\nmaillog_file_prefixes = {folder}\n")
    return folder


def test_it_passes_postfix_check(complete: Path) -> None:
    """What is grave is only that a type of tables is missing, if any is."""
    grave = [found.text for found in check_config.findings(MainCf.load(complete)) if found.grave]
    assert [text for text in grave if "unsupported dictionary type" not in text] == []
    command = [sys.executable, "-m", "pyfix.commands.postfix", "-c", str(complete), "check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TOP)
    assert done.returncode == bool(grave), done.stderr
    assert not re.search("fatal|error:", done.stderr)


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
    if release() >= (3, 11):
        return True
    return "will be removed" not in line and "DEPRECATION_README" not in line and not any(name in line for name in NEW)
