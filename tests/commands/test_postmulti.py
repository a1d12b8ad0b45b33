"""postmulti: several instances, beside Debian's and alone."""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyfix.commands import mail_conf, postfix, postmulti
from tests.commands import terminal
from tests.e2e.instance import RUN, instance, instance_directory

__all__ = ["instance", "instance_directory"]

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def run(instance, monkeypatch, capfd):
    """(exit status, output, error lines) of a command line; run.mail is the primary instance."""
    mail = instance(start=False)
    monkeypatch.setattr(mail_conf, "DEFAULT_DIRECTORY", str(mail.config))
    monkeypatch.delenv("MAIL_CONFIG", raising=False)

    def call(*words):
        try:
            status = postmulti.main(["postmulti", *words])
        except SystemExit as end:
            status = end.code
        out, err = capfd.readouterr()
        return status, out, [line.partition(": ")[2] for line in err.splitlines()]

    call.mail = mail
    return call


@pytest.fixture
def top(run):
    """Where instances may be made: a path, and the arguments that put one there."""
    return run.mail.directory


def places(top, name):
    return [f"{what}_directory={top}/{what}-{name}" for what in ("config", "queue", "data")]


def test_the_list_as_json(run, top):
    mail = run.mail
    assert run("-jl")[1] == f'{{"name": "-","group": "-","enabled": "y","config_directory": "{mail.config}"}}\n'
    run("-e", "init")
    run("-e", "create", "-I", "postfix-one", "-G", "g", *places(top, "one"))
    assert run("-ljR")[1].splitlines() == [
        f'{{"name": "postfix-one","group": "g","enabled": "n","config_directory": "{top}/config-one"}}',
        f'{{"name": "-","group": "-","enabled": "y","config_directory": "{mail.config}"}}',
    ]
    assert run("-jp", "status")[::2] == (1, ["fatal: JSON output available only with '-l'"])


def test_a_command_logs_under_the_name_of_the_primary_instance(run, top):
    run("-e", "init")
    run("-e", "create", "-I", "postfix-one", *places(top, "one"))
    status, out, _ = run("-x", "sh", "-c", "echo $MAIL_LOGTAG")
    assert (status, out) == (0, "postfix\npostfix\n")


def listed(run, *words):
    return [line.split()[:3] for line in run("-l", *words)[1].splitlines()]


def test_an_instance_lives_from_create_to_destroy(run, top):
    assert run("-e", "create", "-I", "postfix-a", *places(top, "a"))[2] == [
        "fatal: multi_instance_wrapper is empty, run 'postmulti -e init' first."
    ]
    assert run("-e", "init") == (0, "", [])
    assert run("-e", "create", "-I", "postfix-a", "-G", "g", *places(top, "a")) == (0, "", [])
    main_cf = (top / "config-a/main.cf").read_text()
    assert "\nmaster_service_disable = inet\nauthorized_submit_users = \n" in main_cf
    assert (top / "queue-a/maildrop").stat().st_mode & 0o777 == 0o730
    assert run("-l")[1] == (
        f"-               -               y         {top}/etc\n"
        f"postfix-a       g               n         {top}/config-a\n"
    )
    assert run("-e", "enable", "-i", "postfix-a")[0] == 0
    assert run("-e", "destroy", "-i", "postfix-a") == (1, "", ["fatal: Cannot remove enabled instances"])
    assert run("-e", "disable", "-i", "postfix-a")[0] == 0
    assert run("-e", "destroy", "-i", "postfix-a") == (0, "", [])
    assert [path.name for path in top.iterdir() if path.name.endswith("-a")] == []
    assert listed(run) == [["-", "-", "y"]]


def test_what_holds_more_than_the_system_made_is_left(run, top):
    run("-e", "init")
    run("-e", "create", "-I", "postfix-a", *places(top, "a"))
    (top / "queue-a/deferred/ABCDEF").touch()
    (top / "config-a/access").touch()
    _, _, lines = run("-e", "destroy", "-i", "postfix-a")
    assert lines == [
        f"warning: {top}/{path}: please verify contents and remove by hand"
        for path in ("queue-a/deferred", "queue-a", "config-a")
    ]
    assert (top / "queue-a/deferred/ABCDEF").exists()
    assert not (top / "config-a/main.cf").exists()


def test_order_is_as_asked_for(run, top):
    run("-e", "init")
    for name, *where in (["b"], ["a", "-a"], ["m", "-i", "postfix-b"], ["z"], ["y", "-g", "gz"]):
        group = ["-G", f"g{name}"]
        assert run("-e", "create", "-I", f"postfix-{name}", *group, *where, *places(top, name)) == (0, "", [])
    order = ["-", "postfix-a", "postfix-m", "postfix-b", "postfix-y", "postfix-z"]
    assert [line[0] for line in listed(run)] == order
    assert [line[0] for line in listed(run, "-R")] == order[::-1]
    assert [line[0] for line in listed(run, "-g", "gm")] == ["postfix-m"]
    assert [line[0] for line in listed(run, "-i", f"{top}/config-b")] == ["postfix-b"]
    assert run("-e", "deport", "-i", "postfix-m")[0] == 0
    assert run("-e", "import", "-I", "postfix-n", "-a", f"config_directory={top}/config-m")[0] == 0
    assert [line[0] for line in listed(run)][:2] == ["-", "postfix-n"]
    assert run("-e", "assign", "-i", "postfix-n", "-I", "postfix-o", "-G", "-")[0] == 0
    assert listed(run, "-i", "postfix-o") == [["postfix-o", "-", "n"]]


def test_commands_find_the_instance_in_their_environment(run, top):
    run("-e", "init")
    run("-e", "create", "-I", "postfix-a", *places(top, "a"))
    status, out, _ = run("-x", "sh", "-c", "echo $MAIL_CONFIG $queue_directory $multi_instance_name; exit 3")
    assert status == 1
    assert out == f"{top}/etc {top}/queue\n{top}/config-a {top}/queue-a postfix-a\n"
    assert run("-i", "-", "-x", "/nowhere")[2] == ["fatal: execvp /nowhere: No such file or directory"]


def test_postfix_without_c_is_for_all_that_are_enabled(run, top):
    mail = run.mail
    run("-e", "init")
    run("-e", "create", "-I", "postfix-a", *places(top, "a"))
    with (top / "config-a/main.cf").open("a") as file:
        own = [line for line in mail.config.joinpath("main.cf").read_text().splitlines() if line.startswith("maillog_")]
        file.write("\n".join(own).replace("/log/maillog", "/log/second") + "\n")
    assert run("-p", "start")[0] == 0
    try:
        assert run("-p", "status")[0] == 1
        assert "starting the Postfix mail system" not in (top / "log/second").read_text()
        assert run("-e", "enable", "-i", "postfix-a")[0] == 0
        assert run("-i", "postfix-a", "-p", "start")[0] == 0
        assert " mail postfix-a/master[" in (top / "log/second").read_text() or mail.wait_until(
            lambda: "postfix-a/master[" in (top / "log/second").read_text()
        )
        assert run("-p", "status")[0] == 0
        assert run("-e", "disable", "-i", "postfix-a")[0] == 0
        assert run("-e", "destroy", "-i", "postfix-a")[2] == [f"fatal: Instance '{top}/config-a' is not stopped"]
        assert run("-e", "enable", "-i", "postfix-a")[0] == 0
    finally:
        assert run("-p", "stop")[0] == 0
    assert run("-p", "status")[0] == 1
    assert run("-e", "disable", "-i", "postfix-a")[0] == 0
    status, _, lines = run("-e", "destroy", "-i", "postfix-a")
    assert status == 0
    assert f"warning: {top}/queue-a/pid: please verify contents and remove by hand" in lines


def test_start_fg_is_for_one_instance(run, top, capfd):
    run("-e", "init")
    run("-e", "create", "-I", "postfix-a", *places(top, "a"))
    with pytest.raises(SystemExit):
        postfix.main(["postfix", "start-fg"])
    assert capfd.readouterr().err == "postfix: fatal: start-fg does not support multi_instance_directories\n"


TWO = ("config_directory={top}/x/two", "queue_directory={top}/q/two", "data_directory={top}/d/two")
SAID = [
    ("-l",),
    (),
    ("-Z",),
    ("-e", "foo"),
    ("-e", "create"),
    ("-e", "create", "-I", "x"),
    ("-e", "create", "-I", "postfix-two", "config_directory={top}/x/one"),
    ("-e", "create", "-I", "postfix-two", "config_directory={top}/x/two", "queue_directory={top}/q/one"),
    ("-e", "create", "-I", "postfix-two", "config_directory=x/two"),
    ("-e", "create", "-I", "postfix-two", "x=y"),
    ("-e", "create", "-I", "postfix-one", "config_directory={top}/x/two"),
    ("-e", "import"),
    ("-e", "import", "-I", "postfix-two", "queue_directory=/x"),
    ("-e", "init", "x"),
    ("-e", "assign", "-i", "postfix-one"),
    ("-e", "assign", "-i", "-", "-I", "postfix-one"),
    ("-e", "enable"),
    ("-e", "enable", "-i", "postfix-no"),
    ("-e", "enable", "-i", "postfix-one", "-I", "postfix-x"),
    ("-e", "enable", "-i", "postfix-one", "a=b"),
    ("-e", "destroy", "-i", "-"),
    ("-e", "deport", "-i", "-"),
    ("-e", "create", "-I", "postfix-x", "-G", "a b"),
    ("-e", "create", "-I", "postfix-x", "-G", "a,b"),
    ("-e", "create", "-I", "postfix-a b"),
    ("-e", "create", "-I", "postfix-x", "queue_directory"),
    ("-e", "create", "-I", "postfix-x", "=x"),
    ("-e", "create", "-I", "postfix-x", "queue_directory="),
    ("-e", "create", "-I", "postfix-x", "-i", "postfix-no", *TWO),
    ("-e", "create", "-I", "postfix-x", "-i", "-", *TWO),
    ("-e", "create", "-I", "postfix-x", "-g", "no", *TWO),
    ("-e", "deport", "-i", "postfix-one"),
    ("-e", "destroy", "-i", "postfix-one"),
    ("-I", "postfix-x", "-l"),
    ("-R", "-p", "status"),
    ("-l", "x"),
    ("-p",),
    ("-x",),
    ("-l", "-x", "true"),
    ("-g", "no", "-l"),
    ("-g", "", "-l"),
    ("-i", "", "-l"),
    ("-i", "a b", "-l"),
    ("-g", "no", "-x", "true"),
    ("-i", "postfix-one", "-x", "sh", "-c", "echo $MAIL_CONFIG $multi_instance_name $multi_instance_enable; exit 3"),
    ("-x", "nosuchcommand"),
]


NONE = "config_directory={top}/x/none"
SAID_WITHOUT = [  # multi_instance_enable = yes in the primary instance
    ("-e", "create", "-I", "postfix-x", *TWO),
    ("-e", "create", "-I", "postfix-x", *[word.replace("two", "x") for word in TWO]),
    ("-e", "import", NONE),
    ("-e", "destroy", "-i", "-"),
    ("-e", "deport", "-i", "-"),
    ("-e", "destroy", "-i", "postfix-one"),
    ("-e", "deport", "-i", "nosuch"),
    ("-e", "enable", "-i", "-"),
    ("-e", "enable", "-i", "nosuch"),
    ("-e", "assign", "-i", "nosuch", "-I", "postfix-x"),
    ("-e", "assign", "-i", "postfix-one", "-I", "postfix-x"),
    ("-e", "assign", "-i", "postfix-one", "-I", "postfix-one"),
    ("-e", "init"),
]
"""The last one sets it again."""


class Side:
    """One of the two, which takes {top}/e for /etc/postfix."""

    def __init__(self, top, command, environment):
        self.top, self.command, self.environment = top, command, environment

    def call(self, *words, program="postmulti"):
        """(exit status, output, what it says on a terminal)."""
        mount = f"mount --bind {self.top}/e /etc/postfix && exec \"$@\""
        line = ["unshare", "-m", "sh", "-c", mount, "sh", *self.command(program)]
        ours, theirs = pty.openpty()
        done = subprocess.Popen(
            [*line, *[word.replace("{top}", str(self.top)) for word in words]],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **self.environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        out = done.communicate(timeout=50)[0]
        texts = [text.replace(str(self.top), "TOP") for text in (out.decode(), terminal.shown(ours))]
        return done.returncode, *texts


def make(command, environment):
    top = Path(tempfile.mkdtemp(prefix="multi-", dir="/tmp"))
    top.chmod(0o755)
    shutil.copytree("/etc/postfix", top / "e", symlinks=True)
    for name in ("x", "q/postfix", "d/postfix"):
        (top / name).mkdir(parents=True)
    side = Side(top, command, environment)
    (top / "e/main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {top}/q/postfix\ndata_directory = {top}/d/postfix\n"
    )
    return side


@pytest.fixture
def sides():
    if os.geteuid() != 0:
        pytest.skip("real Postfix needs root")
    if not shutil.which("postmulti", path="/usr/sbin"):
        pytest.skip("postfix is not installed")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    made = [
        make(lambda name: [name], {}),
        make(lambda name: [sys.executable, "-c", RUN.format(name)], {"PYTHONPATH": str(ROOT)}),
    ]
    yield made
    for side in made:
        shutil.rmtree(side.top)


def alike(said):
    """Without what is spelt better here, and without who of Postfix's helpers says it."""
    status, out, text = said
    text = re.sub(r"^updating /.*\n", "", text, flags=re.MULTILINE)  # copies for jails, of newer Debian
    text = re.sub(r"^rmdir: .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^/\S+/postconf: (fatal|warning): (.*)\n", _postconf, text, flags=re.MULTILINE)
    return status, out, text.replace("Specity", "Specify").replace("postfix/postmulti-script: ", "postmulti: ")


def _postconf(found):
    """What another program said for it."""
    return f"postmulti: fatal: {found[2]}\n" if found[1] == "fatal" else ""


def test_what_debians_says_is_said_in_the_same_words(sides):
    one = ("config_directory={top}/x/one", "queue_directory={top}/q/one", "data_directory={top}/d/one")
    for words in (
        ("-e", "create", "-I", "postfix-one", *one),
        ("-e", "init"),
        ("-e", "create", "-I", "postfix-one", "-G", "g", *one),
        ("-e", "enable", "-i", "postfix-one"),
    ):
        agree(sides, words)
    real, ours = sides
    with ThreadPoolExecutor(12) as pool:  # a fatal error sleeps a second
        wanted = list(pool.map(lambda words: alike(real.call(*words)), SAID))
        found = list(pool.map(lambda words: alike(ours.call(*words)), SAID))
    different = [(words, w, f) for words, w, f in zip(SAID, wanted, found, strict=True) if w != f]
    assert not different, "\n".join(map(str, different))
    two = ("config_directory={top}/x/two//", "queue_directory={top}/q/two/", "data_directory={top}/d/two/")
    for words in (
        ("-e", "create", "-I", "postfix-two", "-i", "postfix-one", *two),
        ("-e", "assign", "-i", "postfix-two", "-I", "", "-G", "h"),
        ("-e", "disable", "-i", "-"),
        ("-e", "disable", "-i", "postfix-one"),
        ("-l",),
        *SAID_WITHOUT,
    ):
        agree(sides, words)
    assert instances_of(ours) == instances_of(real)


def agree(sides, words):
    """Both do and say the same."""
    with ThreadPoolExecutor(2) as pool:
        real, ours = pool.map(lambda side: alike(side.call(*words)), sides)
    assert ours == real, words


def instances_of(side):
    """What main.cf files say of instances."""
    found = {}
    for path in [side.top / "e/main.cf", *sorted(side.top.glob("x/*/main.cf"))]:
        lines = path.read_text().replace(str(side.top), "TOP").splitlines()
        start = ("multi", "queue_directory", "data_directory", "master_service", "authorized")
        found[str(path.relative_to(side.top))] = sorted(line for line in lines if line.startswith(start))
    return found


def test_a_directory_that_would_be_two_is_refused(run, top):
    run("-e", "init")
    for name in ("a b", "a,b"):
        made = places(top, name)
        said = f"fatal: Unsafe characters in parameter setting '{made[0]}'"
        assert run("-e", "create", "-I", "postfix-a", *made)[2] == [said]
    assert run("-l")[0] == 0


def files_of(side):
    """What is below the directories of instances, without copies for jails."""
    found = sorted(path.relative_to(side.top) for name in "dqx" for path in (side.top / name).rglob("*"))
    return [str(path) for path in found if not {"etc", "usr", "lib", "dev"} & set(path.parts)]


def test_what_is_imported_and_destroyed_is_what_debians_does(sides):
    one = ("config_directory={top}/x/one", "queue_directory={top}/q/one", "data_directory={top}/d/one")
    agree(sides, ("-e", "init"))
    for side in sides:
        (side.top / "x/bad").mkdir()
    agree(sides, ("-e", "import", "config_directory={top}/x/bad"))
    for side in sides:
        own = f"queue_directory = {side.top}/q/bad\ndata_directory = {side.top}/d/bad\n"
        (side.top / "x/bad/main.cf").write_text(own)
    agree(sides, ("-e", "import", "config_directory={top}/x/bad"))
    agree(sides, ("-e", "create", "-I", "postfix-one", *one))
    for side in sides:
        queue = side.top / "q/one"
        for name in ("pid/master.pid", "private/file", "hold/1234567", "extra"):
            (queue / name).touch()
        for name in ("deferred/A/B", "active/C", "public/d"):
            (queue / name).mkdir(parents=True)
        (side.top / "d/one/master.lock").touch()
        (queue / "saved").rmdir()
    agree(sides, ("-e", "destroy", "-i", "postfix-one"))
    real, ours = sides
    assert files_of(ours) == files_of(real)
    agree(sides, ("-l",))


def test_list_that_names_a_directory_without_main_cf_ends_all_but_init(sides):
    for side in sides:
        with (side.top / "e/main.cf").open("a") as file:
            file.write(f"multi_instance_directories = {side.top}/x/none\n")
    for words in (("-l",), ("-e", "init"), ("-e", "deport", "-i", "{top}/x/none"), ("-p", "status")):
        agree(sides, words)
