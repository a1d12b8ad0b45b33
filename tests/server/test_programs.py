"""What the processes that keep root have in memory."""

import subprocess
import sys

import pytest

from pyfix.server import programs

UNWANTED = ("asyncio", "ssl", "dns", "dataclasses", "inspect")
"""What talks to a network, and what takes megabytes."""

SERIAL = sorted(programs.SERIAL)

IMPORT = """
import gc, sys
before = {*sys.modules}
import pyfix.master.__main__
from pyfix.config.main_cf import MainCf
from pyfix.master.zygote import preload
from pyfix.server import programs
preload(MainCf("", "", {}, {}), sys.argv[1:])
assert gc.isenabled()
for program in sys.argv[1:]:
    programs.load(program)
print(*{*sys.modules} - before)
"""


@pytest.mark.parametrize("names", [*([name] for name in SERIAL), SERIAL], ids=" ".join)
def test_master_takes_in_no_network_code_with_programs_that_become_other_users(names) -> None:
    command = [sys.executable, "-P", "-s", "-c", IMPORT, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr == ""
    modules = done.stdout.split()
    assert not set(UNWANTED) & set(modules)
    assert {name.partition(".")[0] for name in modules} <= {"pyfix", *sys.stdlib_module_names}
