"""postmulti - several mail systems on one machine

    postmulti -l [-ajR] [-g group] [-i name]                    list: name, group, enabled, directory; -j: as JSON
    postmulti -p [-a] [-g group] [-i name] command ...          postfix command for each
    postmulti -x [-aR] [-g group] [-i name] command ...         any command for each
    postmulti -e init | create | import | destroy | deport | enable | disable | assign
              [-a] [-g group] [-i name] [-I name] [-G group] [name=value ...]

-p starts only what is enabled (the others are checked), stops in reverse order, and passes over disabled ones where
a running system is needed; postmulti_start_commands, _stop_commands and _control_commands say which is which.

Exit status: 0; 1 when something failed for any of them.
Privileges: root, or the owner of the files.
Parameters: multi_instance_*, postmulti_*_commands. Sources: postmulti(1).
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from pyfix.commands import instances, mail_conf
from pyfix.commands.instances import Family, Instance
from pyfix.commands.system import System
from pyfix.config.main_cf import BadConfig
from pyfix.config.params.mail import MailParams
from pyfix.config.params.postmulti import PostmultiParams
from pyfix.server import log
from pyfix.unix import msg, users

_WHICH = "[-v] [-a] [-g group] [-i instance]"
_RUN = "[-v] [-a] [-i name] [-g group]"
USAGE = (
    f"Usage:postmulti -l {_WHICH} | postmulti -p {_WHICH} command... | postmulti -x {_RUN} command... |"
    f" postmulti -e action {_RUN} [-I name] [-G group] [param=value ...]"
)
PLACES = ("config_directory", "queue_directory", "data_directory")
_SAFE = re.compile(r"[-A-Za-z0-9_.:/=+@%]*", re.ASCII)


class Request(NamedTuple):
    """What the command line asks for. name, group: of -i and -g; new_name, new_group: of -I and -G, None: not given."""

    mode: str
    action: str
    all: bool
    reverse: bool
    name: str | None
    group: str | None
    new_name: str | None
    new_group: str | None
    json: bool
    words: list[str]

    @property
    def selects(self) -> bool:
        """Whether -i or -g was given."""
        return (self.name, self.group) != (None, None)

    def means(self, instance: Instance) -> bool:
        """Whether -i or -g means that instance."""
        if self.name is not None:
            return instance.matches(self.name)
        return self.group is not None and instance.in_group(self.group)


def main(argv: list[str] | None = None) -> int:
    """Do what the options ask for."""
    found, words = mail_conf.begin(argv, "postmulti", "ae:g:i:G:I:jlpRvx", USAGE)
    msg.to(*msg.active(), log.administrators(mail_conf.load(None), "postmulti"))
    try:
        request = _request(found, words)
        if request.action == "init":
            _init(Instance(_primary()))
            return 0
        family = Family(_primary())
        match request.mode:
            case "l":
                return _list(family, request)
            case "e":
                return _edit(family, request)
            case mode:
                return _run_each(family, request, RUNNERS[mode])
    except (BadConfig, users.UnknownUserError) as error:
        msg.fatal(str(error))
    finally:
        log.close()


def _primary() -> str:
    """The primary instance's directory, which is always the default one."""
    given = os.environ.get("MAIL_CONFIG", mail_conf.DEFAULT_DIRECTORY)
    if os.path.realpath(given) != os.path.realpath(mail_conf.DEFAULT_DIRECTORY):
        msg.fatal(f"Non-default configuration directory: MAIL_CONFIG={given}")
    return mail_conf.DEFAULT_DIRECTORY


# The command line


def _request(found: list[tuple[str, str]], words: list[str]) -> Request:
    values = dict(found)
    actions = [value for letter, value in found if letter == "e"]
    for action in actions:
        if action not in {"init", *ACTIONS}:
            known = "'create', 'destroy', 'import', 'deport', 'enable', 'disable', 'assign' or 'init'"
            msg.fatal(f"Invalid '-e' edit action '{action}'. Specify {known}")
    modes = [letter for letter, _ in found if letter in "elpx"]
    if len(modes) != 1:
        msg.fatal("Specify exactly one of '-e', '-l', '-p', '-x'")
    if len(values.keys() & {"a", "g", "i"}) > 1:
        msg.fatal("Specify no more than one of '-a', '-g', '-i'")
    for letter, what in (("I", "new instance name: '"), ("G", "'-G ")):
        if not _SAFE.fullmatch(values.get(letter, "")):
            msg.fatal(f"Unsafe characters in {what}{values[letter]}'")
    request = Request(
        modes[0], (actions or [""])[0], "a" in values, "R" in values,
        values.get("i"), values.get("g"), values.get("I"), values.get("G"), "j" in values, words,
    )  # fmt: skip
    _refuse_nonsense(request)
    return request


def _refuse_nonsense(request: Request) -> None:
    mode, action = request.mode, request.action
    if request.reverse and mode in "pe":
        msg.fatal("The '-p' and '-e' options preclude the use of '-R'")
    if request.json and mode != "l":
        msg.fatal("JSON output available only with '-l'")
    if mode == "l" and request.words:
        msg.fatal("Command not allowed with '-l'")
    if mode in "px" and not request.words:
        msg.fatal("Command required with '-p' or '-x' option")
    names = (request.new_name, request.new_group)
    if mode != "e" and names != (None, None):
        msg.fatal("Cannot assign instance name or group without '-e assign'")
    if action in {"init", "destroy", "deport", "enable", "disable"} and names != (None, None):
        msg.fatal(f"Cannot assign instance name or group with '-e {action}'")
    if mode == "e" and action not in {"create", "import"} and request.words:
        msg.fatal(f"Parameter overrides not valid with '-e {action}'")
    if action in {"destroy", "deport", "enable", "disable", "assign"} and request.name is None:
        msg.fatal("Select an instance via '-i name'")
    if action == "assign" and names == (None, None):
        msg.fatal("Specify new instance name or group with '-e assign'")
    if _named(request.new_name) and not _named(request.new_name).startswith("postfix-"):
        msg.fatal("New instance name must start with 'postfix-'")


# For each


def _chosen(family: Family, request: Request) -> list[Instance]:
    found = family.all()
    if request.selects:
        found = [each for each in found if request.means(each)]
    return found[::-1] if request.reverse else found


def _list(family: Family, request: Request) -> int:
    for each in _chosen(family, request):
        sys.stdout.write((each.json() if request.json else each.line()) + "\n")
    sys.stdout.flush()
    return 0


def _run_each(family: Family, request: Request, run: "Callable[[Family, Instance, list[str]], int]") -> int:
    chosen = _chosen(family, request)
    if request.mode == "p":
        chosen = _for_postfix(family, chosen, request.words[0])
    if not chosen:
        msg.fatal("No matching instances")
    failed = [each for each in chosen if run(family, each, request.words)]
    return int(bool(failed))


def _for_postfix(family: Family, chosen: list[Instance], command: str) -> list[Instance]:
    """Those that a postfix command is for, in its order."""
    cfg = PostmultiParams(family.primary.main)
    stop = command in _words(cfg.postmulti_stop_commands)
    if stop or command in _words(cfg.postmulti_control_commands):
        chosen = [each for each in chosen if each.enabled]
    return chosen[::-1] if stop else chosen


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _postfix(family: Family, each: Instance, words: list[str]) -> int:
    starting = _words(PostmultiParams(family.primary.main).postmulti_start_commands)
    if not each.enabled and words[0] in starting:
        words = ["check"]
    command, environment = System(each.config_dir).ours("commands.postfix", *["-v"] * msg.verbose, *words)
    return _wait(command, {**environment, **each.environment()})


def _any_command(family: Family, each: Instance, words: list[str]) -> int:
    more = {"MAIL_LOGTAG": MailParams(family.primary.main).syslog_name}
    if msg.verbose:
        more["MAIL_VERBOSE"] = ""
    return _wait(words, {**os.environ, **more, **each.environment()})


RUNNERS = {"p": _postfix, "x": _any_command}


def _wait(command: list[str], environment: Mapping[str, str]) -> int:
    try:
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  # what was asked for
    except OSError as error:
        with suppress(msg.Fatal):
            msg.fatal(f"execvp {command[0]}: {error.strerror}")
        return 1


# Life cycle


def _edit(family: Family, request: Request) -> int:
    try:
        ACTIONS[request.action](family, request)
    except OSError as error:
        msg.fatal(f"{error.filename}: {error.strerror}")
    return 0


def _init(primary: Instance) -> None:
    primary.change(multi_instance_wrapper=instances.WRAPPER, multi_instance_enable="yes")


def _ready(family: Family) -> None:
    """End the command, after its other checks, where `-e init` is still to be done."""
    for name, missing in (("multi_instance_wrapper", " is empty"), ("multi_instance_enable", "!=yes")):
        if family.primary.main.value(name) in {"", "no"}:
            msg.fatal(f"{name}{missing}, run 'postmulti -e init' first.")


def _create(family: Family, request: Request) -> None:
    values = _places(family, request, PLACES)
    config_dir = values["config_directory"]
    if all(os.path.exists(f"{config_dir}/{name}") for name in ("main.cf", "master.cf")):
        _import(family, request)
        return
    names = _names(request)
    family.refuse_conflict(config_dir, {**values, **names})
    spot = _spot(family, request)
    _ready(family)
    instances.create(family.primary, values, {name: value for name, value in names.items() if value})
    _insert(family, config_dir, spot)


def _import(family: Family, request: Request) -> None:
    config_dir = _places(family, request, PLACES[:1])["config_directory"]
    for other in family.all():
        if other.config_dir == config_dir:
            where = f"new config_directory={config_dir} is already in use"
            msg.fatal(f"{where} by instance {other.config_dir}, config_directory={config_dir}")
    adopted = instances.secondary(config_dir)
    family.refuse_conflict(config_dir, {**adopted.own(), **_names(request)})
    spot = _spot(family, request)
    _ready(family)
    if not os.path.exists(f"{config_dir}/master.cf"):
        msg.fatal(f"'{config_dir}' lacks a master.cf file")
    _rename(adopted, request)
    _insert(family, config_dir, spot)


def _places(family: Family, request: Request, names: tuple[str, ...]) -> dict[str, str]:
    """The directories of a new instance: as given, else beside the primary one's."""
    given = dict(_place(word, request.action) for word in request.words)
    primary = family.primary.own()
    found: dict[str, str] = {}
    for name in names:
        if name not in given and not _named(request.new_name):
            msg.fatal(f"Missing {name} parameter value")
        found[name] = given.get(name) or os.path.join(os.path.dirname(primary[name]), _named(request.new_name))
    return found


def _place(word: str, action: str) -> tuple[str, str]:
    """name and directory of an argument name=directory."""
    name, equals, value = word.partition("=")
    if not name or not equals:
        msg.fatal(f"Malformed parameter setting '{word}'")
    if name not in (PLACES if action == "create" else PLACES[:1]):
        msg.fatal(f"Parameter '{name}' not valid with action {action}")
    if not value.startswith("/"):
        msg.fatal(f"Parameter setting '{name}' is not an absolute path")
    if not _SAFE.fullmatch(value):  # a space or comma would make two directories of it in multi_instance_directories
        msg.fatal(f"Unsafe characters in parameter setting '{word}'")
    return name, value.rstrip("/") or "/"


def _spot(family: Family, request: Request) -> int:
    """Before which of the secondary instances the options want a new one; else it comes last."""
    if request.all:
        return 0
    if not request.selects:
        return len(family.secondary)
    found = [spot for spot, other in enumerate(family.secondary) if request.means(other)]
    if not found:
        msg.fatal("No matching secondary instances")
    return found[0]


def _insert(family: Family, config_dir: str, spot: int) -> None:
    directories = [each.config_dir for each in family.secondary]
    family.keep([*directories[:spot], config_dir, *directories[spot:]])


def _secondary(family: Family, request: Request) -> Instance:
    found = family.find(request.name or "")
    if found.primary:
        msg.fatal("Cannot remove the primary instance")
    if found.enabled:
        msg.fatal("Cannot remove enabled instances")
    return found


def _deport(family: Family, request: Request) -> None:
    gone = _secondary(family, request)
    _ready(family)
    family.keep(each.config_dir for each in family.secondary if each is not gone)


def _destroy(family: Family, request: Request) -> None:
    doomed = _secondary(family, request)
    _ready(family)
    for path in instances.destroy(doomed):
        msg.warning(f"{path}: please verify contents and remove by hand")
    _deport(family, request)


def _enable(family: Family, request: Request) -> None:
    found = family.find(request.name or "")
    _ready(family)
    found.change(multi_instance_enable="yes")


def _disable(family: Family, request: Request) -> None:
    found = family.find(request.name or "")
    _ready(family)
    found.change(multi_instance_enable="no")


def _assign(family: Family, request: Request) -> None:
    found = family.find(request.name or "")
    names = _names(request)
    family.refuse_conflict(found.config_dir, names)
    if all(found.main.value(name) == value for name, value in names.items()):
        return
    _ready(family)
    _rename(found, request)


def _rename(found: Instance, request: Request) -> None:
    if names := _names(request):
        found.change(**names)


def _names(request: Request) -> dict[str, str]:
    """What -I and -G set."""
    given = {"multi_instance_name": request.new_name, "multi_instance_group": request.new_group}
    return {name: _named(value) for name, value in given.items() if value is not None}


def _named(text: str | None) -> str:
    """A name or group; - is none."""
    return "" if text in {None, "-"} else str(text)


ACTIONS: "Mapping[str, Callable[[Family, Request], None]]" = {
    "create": _create,
    "import": _import,
    "destroy": _destroy,
    "deport": _deport,
    "enable": _enable,
    "disable": _disable,
    "assign": _assign,
}


if __name__ == "__main__":
    sys.exit(main())
