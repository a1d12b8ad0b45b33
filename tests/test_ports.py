"""Ports of tests: processes of several runs never share one."""

import subprocess
import sys

from tests.ports import BLOCK, BLOCKS, FIRST, free_port

ANOTHER = """\
import os, sys
os.getpid = lambda: {pid}
from tests.ports import free_port
print(free_port(), flush=True)
sys.stdin.read()
"""


def another(pid: int) -> subprocess.Popen[str]:
    """A process that takes itself for this one, has a port, and stays."""
    command = [sys.executable, "-c", ANOTHER.format(pid=pid)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_whose_pids_fall_together_have_blocks_of_their_own() -> None:
    mine = (free_port() - FIRST) // BLOCK
    others = [another(mine) for _ in range(3)]
    try:
        blocks = {(int(other.stdout.readline()) - FIRST) // BLOCK for other in others if other.stdout}
    finally:
        for other in others:
            other.communicate()
    assert len(blocks | {mine}) == 4
    assert max(blocks) < BLOCKS
