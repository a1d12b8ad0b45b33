"""What is mapped of files leaves memory and comes back when it is used."""

import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, re, sys
from pyfix.unix import pages

def mapped():
    with open("/proc/self/smaps") as file:
        found = re.findall(r"^\\S+ r-xp .*/libcrypto.*\\n(?:.*\\n)*?Rss: +([0-9]+) kB", file.read(), re.M)
    return sum(map(int, found))

def used():
    return hashlib.new("sha256", b"x").hexdigest()

before, digest = mapped(), used()
pages.give_back_files()
after = mapped()
assert used() == digest
print(before, after, mapped())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has it")
def test_libraries_leave_memory_until_they_are_used() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    before, after, again = map(int, done.stdout.split())
    assert (after, again > after) == (0, True), before
    assert before > again
