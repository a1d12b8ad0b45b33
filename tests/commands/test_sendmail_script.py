"""conf/bin/sendmail, as an installer leaves it: beside a script that says which Python is its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "conf/bin/sendmail"
FOUND = {
    "installed": lambda packages: (packages / "pyfix").symlink_to(ROOT / "pyfix"),
    "editable": lambda packages: (packages / "__editable__.pyfix-0.1.pth").write_text(f"{ROOT}\n"),
}


@pytest.fixture
def system(tmp_path):
    """A queue that nobody empties, and a directory with the command."""
    for name in ("bin", "queue/maildrop", "queue/public", "lib/python{}.{}/site-packages".format(*sys.version_info)):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "main.cf").write_text(f"queue_directory = {tmp_path}/queue\n")
    python = tmp_path / "bin/python3"
    python.symlink_to(sys.executable)
    (tmp_path / "bin/mailq").write_text(f"#!{python}\n")
    shutil.copy(SCRIPT, tmp_path / "bin/sendmail")
    (tmp_path / "bin/sendmail").chmod(0o755)
    return tmp_path


def packages(system):
    return next(system.glob("lib/*/site-packages"))


def run(system, *words, command="bin/sendmail", **more):
    environment = {"MAIL_CONFIG": str(system), "PATH": "/usr/bin:/bin", **more}
    line = [system / command, *words]
    return subprocess.run(line, input=b"Subject: x\n\nhello\n", env=environment, capture_output=True, check=False)


def taken(system, done):
    """Whether a message was taken, and is there."""
    files = list((system / "queue/maildrop").iterdir())
    return done.returncode == 0 and len(files) == 1 and b"N\x05hello" in files[0].read_bytes()


@pytest.mark.parametrize("way", FOUND)
def test_the_package_is_found_without_site(system, way):
    FOUND[way](packages(system))
    told = system / "bin/told"
    told.write_text(f'#!/bin/sh\nexec {sys.executable} -X importtime "$@"\n')
    told.chmod(0o755)
    (system / "bin/mailq").write_text(f"#!{told}\n")
    done = run(system, "-f", "a@x", "b@x")
    assert taken(system, done)
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.decode().splitlines() if "|" in line}
    assert "pyfix.commands.sendmail" in imported
    assert not imported & {"site", "os", "re", "socket", "contextlib", "typing"}


@pytest.mark.parametrize(
    "setting",
    [
        {"PYTHONPATH": "{evil}"},
        {"PYTHONUSERBASE": "{evil}", "PYTHONINSPECT": "1", "PYTHONVERBOSE": "1"},
        {"PYTHONHOME": "/nowhere"},
        {"PYTHONHASHSEED": "nonsense"},
        {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1", "PYTHONOPTIMIZE": "2"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "warn", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "tr_TR.UTF-8"},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_variables_that_mean_something_to_python_mean_nothing_to_it(system, setting):
    FOUND["installed"](packages(system))
    for name in ("pyfix", "posix", "io", "os", "pwd", "site", "sitecustomize", "usercustomize"):
        (system / f"{name}.py").write_text("raise SystemExit('evil')\n")
    setting = {name: value.replace("{evil}", str(system)) for name, value in setting.items()}
    done = run(system, "-f", "a@x", "b@x", **setting)
    assert taken(system, done)
    assert (done.stdout, done.stderr.splitlines()[1:]) == (b"", [])  # the first: that pickup is not there


def test_a_package_that_is_elsewhere_is_found_as_everything_is(system):
    done = run(system, "-f", "a@x", "b@x", PYTHONPATH=str(ROOT), place=str(ROOT / "tests"), site="S")
    assert taken(system, done), done.stderr


def test_it_may_be_called_by_another_name(system, tmp_path_factory):
    FOUND["editable"](packages(system))
    link = tmp_path_factory.mktemp("sbin") / "sendmail"
    link.symlink_to(system / "bin/sendmail")
    assert taken(system, run(system, "-f", "a@x", "b@x", command=link))


def test_python_may_have_a_path_that_is_too_long_for_a_first_line(system):
    FOUND["editable"](packages(system))
    (system / "bin/mailq").write_text("#!/bin/sh\n'''exec' ...\n")
    assert taken(system, run(system, "-f", "a@x", "b@x"))


def test_the_script_that_names_python_may_have_been_removed(system):
    FOUND["editable"](packages(system))
    (system / "bin/mailq").unlink()
    assert taken(system, run(system, "-f", "a@x", "b@x"))


def test_words_are_handed_on_as_they_are(system):
    FOUND["editable"](packages(system))
    assert taken(system, run(system, "-F", "A  *\n'b'", "-f", "a@x", "b@x"))
    assert b"F\x08A  *\n'b'" in next((system / "queue/maildrop").iterdir()).read_bytes()


def test_other_modes_have_all_libraries(system):
    FOUND["editable"](packages(system))
    (packages(system) / "lmdb").symlink_to(Path(lmdb.__file__).parent)
    (system / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    (system / "aliases").write_text("a: b\n")
    with (system / "main.cf").open("a") as file:
        file.write(f"alias_database = lmdb:{system}/aliases\n")
    done = run(system, "-bi")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (system / "aliases.lmdb").exists()
