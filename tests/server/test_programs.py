"""What the processes that keep root have in memory."""

import subprocess
import sys

import pytest

from pyfix.server import programs

UNWANTED = ("asyncio", "uvloop", "ssl", "dns", "dataclasses", "inspect")
"""What talks to a network, and what takes megabytes."""

IMPORT = """
import sys
from pyfix.server import daemon, programs, zygote
daemon.warm_up([sys.argv[1]])
programs.load(sys.argv[1])
print(*sys.modules)
"""


@pytest.mark.parametrize("program", sorted(programs.SERIAL))
def test_a_program_that_becomes_other_users_imports_no_event_loop(program: str) -> None:
    command = [sys.executable, "-P", "-s", "-c", IMPORT, program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert not set(UNWANTED) & set(done.stdout.split())
