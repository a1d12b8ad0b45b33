"""What all tests share: where programs are missing tests skip, except where PYFIX_NO_SKIPS is set."""

import os

import pytest

from tests.exim import exim
from tests.real_postfix import real_postfix

__all__ = ["exim", "real_postfix"]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Make a run fail that skipped anything, where everything is there to be tested."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("PYFIX_NO_SKIPS") and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        reporter.write_line("skipped tests are failures here (PYFIX_NO_SKIPS)", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
