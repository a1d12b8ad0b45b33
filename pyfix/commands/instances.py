"""instances - the mail systems of one machine that are managed together

The primary one, in the default configuration directory, names the others in multi_instance_directories.

Parameters: multi_instance_directories, multi_instance_name, multi_instance_group, multi_instance_enable
Sources: postmulti(1).
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from pyfix.commands import instance, layout
from pyfix.commands.json_text import json_text
from pyfix.commands.system import System
from pyfix.config.check import at_start
from pyfix.config.edit import edit_file
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.unix import msg

WRAPPER = "${command_directory}/postmulti -p --"
SHARED = (
    "command_directory", "daemon_directory", "default_privs", "html_directory", "mail_owner", "mailq_path",
    "manpage_directory", "meta_directory", "newaliases_path", "readme_directory", "sendmail_path", "setgid_group",
    "shlib_directory",
)  # fmt: skip
"""What a new instance has as the primary one."""
OWN = ("config_directory", "queue_directory", "data_directory", "multi_instance_name")
"""What no two instances may have in common."""


class Instance:
    """One mail system. BadConfig: its main.cf can't be read."""

    def __init__(self, config_dir: str) -> None:
        self.main = MainCf.load(config_dir)
        self.config_dir = config_dir
        cfg = MailParams(self.main)
        self.name = cfg.multi_instance_name
        self.group = cfg.multi_instance_group
        self.enabled = cfg.multi_instance_enable
        self.primary = False

    def line(self) -> str:
        """Its line in a list."""
        return f"{self.name or '-':15} {self.group or '-':15} {'y' if self.enabled else 'n':9} {self.config_dir}"

    def json(self) -> str:
        """The same as an object of JSON."""
        enabled = "y" if self.enabled else "n"
        names = ("name", "group", "enabled", "config_directory")
        values = (self.name or "-", self.group or "-", enabled, self.config_dir)
        members = (f"{json_text(name)}: {json_text(value)}" for name, value in zip(names, values, strict=True))
        return f"{{{','.join(members)}}}"

    def matches(self, name: str) -> bool:
        """Whether -i means this one: by name, configuration directory, or - for the primary one."""
        return (self.primary and name == "-") or name == self.config_dir or name == (self.name or None)

    def in_group(self, group: str) -> bool:
        """Whether -g means this one."""
        return bool(group) and group == self.group

    def own(self) -> dict[str, str]:
        """What no other may have."""
        values = {name: self.main.value(name) for name in OWN[1:]}
        return {"config_directory": self.config_dir, **values}

    def environment(self) -> dict[str, str]:
        """What a command for it finds in its environment."""
        names = ("command_directory", "daemon_directory", "queue_directory", "data_directory")
        return {
            "MAIL_CONFIG": self.config_dir,
            "config_directory": self.config_dir,
            **{name: self.main.value(name) for name in names},
            "multi_instance_name": self.name,
            "multi_instance_group": self.group,
            "multi_instance_enable": "yes" if self.enabled else "no",
        }

    def change(self, **values: str) -> None:
        """Set parameters in its main.cf. BadConfig."""
        edit_file(f"{self.config_dir}/main.cf", values)


def secondary(config_dir: str) -> Instance:
    """One beside the primary; the command ends when it has no readable main.cf."""
    try:
        return Instance(config_dir)
    except BadConfig as error:
        with suppress(msg.Fatal):
            msg.fatal(str(error))
        msg.fatal(f"Failed to obtain all required {config_dir}/main.cf parameters")


class Family:
    """All instances, the primary one first. BadConfig: one can't be read."""

    def __init__(self, config_dir: str) -> None:
        self.primary = Instance(config_dir)
        at_start(self.primary.main)
        self.primary.primary = True
        listed = self.primary.main.value("multi_instance_directories").replace(",", " ").split()
        self.secondary = [secondary(directory) for directory in listed]
        if not listed:
            self.primary.enabled = True

    def all(self) -> list[Instance]:
        """In the order in which they are started."""
        return [self.primary, *self.secondary]

    def find(self, name: str) -> Instance:
        """The one that -i means. None: the command ends."""
        try:
            return next(each for each in self.all() if each.matches(name))
        except StopIteration:
            msg.fatal(f"No instance named {name}")

    def keep(self, directories: Iterable[str]) -> None:
        """Write the list of secondary instances."""
        self.primary.change(multi_instance_directories=" ".join(directories))

    def refuse_conflict(self, config_dir: str, wanted: Mapping[str, str]) -> None:
        """End the command when another instance has one of these already."""
        for other in self.all():
            if other.config_dir == config_dir:
                continue
            taken = other.own()
            for name, value in wanted.items():
                if value and taken.get(name) == value:
                    mine = f"instance {config_dir}, {name}={value}"
                    msg.fatal(f"{mine} conflicts with instance {other.config_dir}, {name}={value}")


def create(primary: Instance, places: Mapping[str, str], names: Mapping[str, str]) -> None:
    """Write the configuration of a new instance that takes no mail yet, and make its directories. OSError, BadConfig.

    places: config_directory, queue_directory, data_directory; names: multi_instance_name and _group, as far as wanted.
    """
    config_dir = places["config_directory"]
    os.makedirs(config_dir, 0o755, exist_ok=True)
    for name in ("main.cf", "master.cf"):
        if not os.path.exists(f"{config_dir}/{name}"):
            _copy(name, config_dir)
    cloned = {each: value for each in SHARED if (value := primary.main.raw(each)) is not None}
    directories = {each: places[each] for each in ("queue_directory", "data_directory")}
    closed = {"master_service_disable": "inet", "authorized_submit_users": ""}
    edit_file(f"{config_dir}/main.cf", {**cloned, **directories, **names, **closed})
    layout.complete(layout.places(MailParams(MainCf.load(config_dir))))


def _copy(name: str, config_dir: str) -> None:
    text = (instance.shipped() / name).read_bytes()
    with open(f"{config_dir}/{name}", "xb") as file:
        file.write(text)
    os.chmod(f"{config_dir}/{name}", 0o644)


def destroy(doomed: Instance) -> Iterator[str]:
    """Remove the files and empty directories of an instance that does not run; yields each directory that holds more.

    The command ends where it runs.
    """
    cfg = MailParams(doomed.main)
    if System(doomed.config_dir).runs:
        msg.fatal(f"Instance '{doomed.config_dir}' is not stopped")
    for name in ("main.cf", "master.cf"):
        with suppress(FileNotFoundError):
            os.unlink(f"{doomed.config_dir}/{name}")
    below = sorted(f"{cfg.queue_directory}/{each.name}" for each in layout.QUEUE if each.name)
    for path in (*below, cfg.data_directory, cfg.queue_directory, doomed.config_dir):
        try:
            os.rmdir(path)
        except OSError:
            yield path
