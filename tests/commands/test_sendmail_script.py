"""conf/bin, as an installer leaves it: beside a script that says which Python is its own."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = ["sendmail", *runpy.run_path(str(ROOT / "setup.py"))["NAMES"]]
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
    (tmp_path / "bin/pyfix-standalone").write_text(f"#!{python}\n")
    for name in COMMANDS:
        shutil.copy(ROOT / "conf/bin/sendmail", tmp_path / "bin" / name)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def packages(system):
    return next(system.glob("lib/*/site-packages"))


def add_libraries(system):
    """Of other makers, where the interpreter looks for them."""
    for library in ("click", "lmdb", "dns"):
        (packages(system) / library).symlink_to(Path(lmdb.__file__).parents[1] / library)
    (system / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")


def run(system, *words, command="bin/sendmail", cwd=None, **more):
    environment = {"MAIL_CONFIG": str(system), "PATH": "/usr/bin:/bin", **more}
    line = [system / command, *words]
    stdin = b"Subject: x\n\nhello\n"
    return subprocess.run(line, input=stdin, env=environment, capture_output=True, check=False, cwd=cwd)


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
    (system / "bin/pyfix-standalone").write_text(f"#!{told}\n")
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
    (system / "bin/pyfix-standalone").write_text("#!/bin/sh\n'''exec' ...\n")
    assert taken(system, run(system, "-f", "a@x", "b@x"))


def test_the_script_that_names_python_may_have_been_removed(system):
    FOUND["editable"](packages(system))
    (system / "bin/pyfix-standalone").unlink()
    assert taken(system, run(system, "-f", "a@x", "b@x"))


def test_words_are_handed_on_as_they_are(system):
    FOUND["editable"](packages(system))
    assert taken(system, run(system, "-F", "A  *\n'b'", "-f", "a@x", "b@x"))
    assert b"F\x08A  *\n'b'" in next((system / "queue/maildrop").iterdir()).read_bytes()


def test_other_modes_have_all_libraries(system):
    FOUND["editable"](packages(system))
    add_libraries(system)
    (system / "aliases").write_text("a: b\n")
    with (system / "main.cf").open("a") as file:
        file.write(f"alias_database = lmdb:{system}/aliases\n")
    done = run(system, "-bi")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (system / "aliases.lmdb").exists()


EVIL = {
    "PYTHONPATH": "{evil}", "PYTHONHOME": "{evil}", "PYTHONSTARTUP": "{evil}/os.py", "PYTHONUSERBASE": "{evil}",
    "PYTHONINSPECT": "1", "PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error", "PYTHONVERBOSE": "1", "PYTHONDEVMODE": "1",
    "PYTHONHASHSEED": "nonsense", "PYTHONMALLOC": "nonsense", "PYTHONUTF8": "nonsense", "PYTHONIOENCODING": "nonsense",
    "PYTHONPROFILEIMPORTTIME": "1", "PYTHONPLATLIBDIR": "{evil}", "PYTHONTRACEMALLOC": "nonsense", "HOME": "{evil}",
}  # fmt: skip


@pytest.mark.parametrize("way", FOUND)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_runs_code_of_its_callers_environment(system, tmp_path_factory, way, name):
    FOUND[way](packages(system))
    add_libraries(system)
    evil = tmp_path_factory.mktemp("evil")
    users = evil / ".local" / packages(system).relative_to(system)
    for place in (evil, users, evil / packages(system).relative_to(system)):
        place.mkdir(parents=True, exist_ok=True)
        for module in ("pyfix", "posix", "io", "os", "pwd", "site", "sitecustomize", "usercustomize", "click", "lmdb"):
            (place / f"{module}.py").write_text("raise SystemExit('evil')\n")
    words = ["-bi", "-oA/nowhere"] if name == "sendmail" else ["--nosuch"]  # -bi: what finds all libraries
    done = run(system, *words, command=f"bin/{name}")
    assert done.stderr
    assert b"Traceback" not in done.stderr
    assert b"import" not in done.stderr
    setting = {variable: value.replace("{evil}", str(evil)) for variable, value in EVIL.items()}
    again = run(system, *words, command=f"bin/{name}", cwd=evil, **setting)
    assert (again.returncode, again.stdout, again.stderr) == (done.returncode, done.stdout, done.stderr)


FROM = {  # where it is called from, and how
    "bin": ["./postconf", "sh postconf", "bash ./postconf", "../bin/postconf"],
    ".": ["bin/postconf", "sh bin/postconf", "other/postconf", "other/-b", "PATH=other; postconf"],
    "a b": ["PATH=../bin:$PATH; postconf", "PATH=../bin:$PATH; bash postconf", "./c\\ d", "sh -- -e"],
}  # fmt: skip


@pytest.mark.parametrize(("place", "call"), [(place, call) for place in FROM for call in FROM[place]])
def test_it_knows_where_it_is_however_it_is_called(system, tmp_path_factory, place, call):
    FOUND["installed"](packages(system))
    add_libraries(system)
    evil = tmp_path_factory.mktemp("evil")
    (evil / "sitecustomize.py").write_text("print('evil')\n")
    (system / "master.cf").touch()
    (system / "other").symlink_to("bin")  # a link to a directory has another parent
    (system / "a b").mkdir()
    for name, target in (("a b/c d", "../other/postconf"), ("a b/-e", "c d"), ("bin/-b", "postconf")):
        (system / name).symlink_to(target)
    done = run(system, "-c", call + " mail_version", command="/bin/sh", cwd=system / place, PYTHONPATH=str(evil))
    assert (done.stderr, done.stdout[:15], done.stdout.count(b"\n")) == (b"", b"mail_version = ", 1)


def test_a_tree_that_is_found_by_code_is_found_without_the_callers_environment(system, tmp_path_factory):
    """As setuptools makes it by default."""
    (packages(system) / "__editable__.pyfix-0.1.pth").write_text("import finder\n")
    (packages(system) / "finder.py").write_text(f"import sys\nsys.path.append({str(ROOT)!r})\n")
    add_libraries(system)
    evil = tmp_path_factory.mktemp("evil")
    (evil / "sitecustomize.py").write_text("print('evil')\n")
    assert run(system, "-h", "mail_version", command="bin/postconf", PYTHONPATH=str(evil)).stdout.count(b"\n") == 1
    done = run(system, "-f", "a@x", "b@x", PYTHONPATH=str(evil))
    assert taken(system, done)
    assert done.stdout == b""


def test_every_command_is_installed_by_its_own_name(tmp_path):
    """From an archive in zip form too, which knows no links."""
    build = [sys.executable, "setup.py", "-q", "build_scripts", "--build-dir", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    built = {path.name: path for path in tmp_path.iterdir() if path.name != "pyfix-standalone"}
    assert sorted(built) == sorted(COMMANDS)
    assert {path.read_bytes() for path in built.values()} == {(ROOT / "conf/bin/sendmail").read_bytes()}
    assert not any(path.is_symlink() for path in [*built.values(), *(ROOT / "conf").rglob("*")])
    modules = {path.stem for path in (ROOT / "pyfix/commands").glob("*.py")}
    assert modules.issuperset(COMMANDS)


def test_a_table_of_your_own_functions_is_found_where_main_cf_says(system, tmp_path_factory):
    FOUND["editable"](packages(system))
    add_libraries(system)
    own, others = tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("others")
    (own / "table.py").write_text("def look(key): return f'own {key}'\n")
    (others / "table.py").write_text("def look(key): return f'others {key}'\n")
    words = ["-q", "a", "python:table:look"]
    assert b"No module named 'table'" in run(system, *words, command="bin/postmap", PYTHONPATH=str(others)).stderr
    with (system / "main.cf").open("a") as file:
        file.write(f"import_environment = TZ PYTHONPATH={own}\n")
    done = run(system, *words, command="bin/postmap", PYTHONPATH=str(others))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"own a\n", b"")


@pytest.mark.parametrize("value", ["PYTHONPATH", "PYTHONPATH=", "PYTHONPATH=/nowhere:", "MYPYTHONPATH=/nowhere"])
def test_no_table_is_looked_for_where_its_caller_happens_to_be(system, tmp_path_factory, value):
    FOUND["editable"](packages(system))
    add_libraries(system)
    evil = tmp_path_factory.mktemp("evil")
    (evil / "table.py").write_text("def look(key): return 'evil'\n")
    with (system / "main.cf").open("a") as file:
        file.write(f"import_environment = TZ {value}\n")
    done = run(system, "-q", "a", "python:table:look", command="bin/postmap", cwd=evil, PYTHONPATH=str(evil))
    assert b"No module named 'table'" in done.stderr
