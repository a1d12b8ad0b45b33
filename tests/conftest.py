"""What all tests share: where programs are missing tests skip, except where PYFIX_NO_SKIPS is set."""

import asyncio
import os

import pytest

from pyfix.unix import msg
from pyfix.unix.loop import Loop
from tests.exim import exim
from tests.real_postfix import real_postfix

__all__ = ["exim", "real_postfix"]


class _Loops(asyncio.DefaultEventLoopPolicy):
    """asyncio.run() has the loop that workers have."""

    def new_event_loop(self) -> Loop:
        return Loop()


asyncio.set_event_loop_policy(_Loops())


@pytest.fixture(autouse=True)
def _log_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that a test runs in its own process says for all of it what may be in the log."""
    monkeypatch.setattr(msg, "ascii_only", msg.ascii_only)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Make a run fail that skipped anything, where everything is there to be tested."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("PYFIX_NO_SKIPS") and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        reporter.write_line("skipped tests are failures here (PYFIX_NO_SKIPS)", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
