"""system - one instance of the mail system, as the commands that start and stop it see it"""

import os
import signal
import sys
import time

import pyfix
from pyfix.config.environment import let_through
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.unix import pid_file


class System:
    """One instance. BadConfig: it has no readable main.cf."""

    def __init__(self, config_dir: str, *, verbose: int = 0, debug: bool = False) -> None:
        self.main = MainCf.load(config_dir)
        self.cfg = MailParams(self.main)
        self.verbose = verbose
        self.debug = debug
        self.pid_file = os.path.join(self.cfg.queue_directory, self.cfg.process_id_directory, "master.pid")

    @property
    def runs(self) -> bool:
        """Whether its master is there."""
        return pid_file.is_held(self.pid_file)

    def master(self, *options: str) -> tuple[list[str], dict[str, str]]:
        """Command and environment that start its master."""
        flags = [*["-v"] * self.verbose, *["-D"] * self.debug]
        command, environment = self.ours("master", *flags, *options)
        wanted = let_through(f"{self.cfg.import_environment} NOTIFY_SOCKET", os.environ)  # workers are forked from it
        return command, {**wanted, "PYTHONPATH": environment["PYTHONPATH"]}

    def ours(self, program: str, *words: str) -> tuple[list[str], dict[str, str]]:
        """Command and environment that run a program of ours on this instance."""
        command = [sys.executable, "-P", "-s", "-X", "utf8", "-m", f"pyfix.{program}", "-c", self.main.config_dir]
        source = os.path.dirname(os.path.dirname(pyfix.__file__))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return [*command, *words], {**environment, "PYTHONPATH": source}

    def signal(self, number: signal.Signals) -> None:
        """Send its master a signal."""
        pid = pid_file.holder(self.pid_file)
        if pid:
            os.kill(pid, number)

    def ends_within(self, seconds: float) -> bool:
        """Wait for its master to go."""
        end = time.monotonic() + seconds
        while self.runs:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True
