"""Memory that holds nothing."""

import ctypes
import os
import sys

import pytest

from pyfix.unix import pages


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages are given back on Linux only")
def test_what_is_in_memory_stays_when_its_empty_pages_are_given_back():
    page = os.sysconf("SC_PAGESIZE")
    size = 64 * page
    memory = ctypes.create_string_buffer(size)
    memory[5 * page + 7] = memory[size - 1] = b"x"
    before = memory.raw
    given = pages.give_back(ctypes.addressof(memory), size)
    assert given in {61, 62}  # all but three, or two where the last one is not whole
    assert memory.raw == before
    memory[100] = memory[30 * page] = b"y"
    assert (memory[100], memory[30 * page]) == (b"y", b"y")


def test_a_part_of_a_page_is_left_alone():
    memory = ctypes.create_string_buffer(100)
    assert pages.give_back(ctypes.addressof(memory), 100) == 0
