"""Queue ids, both kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyfix.queue import names

MICROSECONDS = st.integers(0, 999999)
INODES = st.integers(1, 2**63)


def test_ids_are_those_of_postfix():
    assert names.short_id(892024, 2271839) == "D9C7822AA5F"
    assert names.long_id(1795214189, 441354, 2270643) == "4jWVYn37CZzK5yP"


@pytest.mark.parametrize(
    ("queue_id", "depth", "directory"),
    [
        ("CA7D222003D", 1, "C/"),
        ("CA7D222003D", 2, "C/A/"),
        ("4jWVYn37CZzK5yP", 1, "6/"),
        ("4jWVYn37CZzK5yP", 3, "6/B/C/"),
        ("AB", 4, "A/B/_/_/"),
        ("CA7D222003D", 0, ""),
    ],
)
def test_hash_directories_come_from_the_microseconds(queue_id, depth, directory):
    assert names.hash_directory(queue_id, depth) == directory


@pytest.mark.parametrize("name", ["123.456", "", "a" * 256, "a/b", "..", "A#FIX", "\xe9A"])
def test_other_names_are_no_ids(name):
    assert not names.is_valid(name)


@given(MICROSECONDS, INODES)
def test_short_ids_hold_microseconds_and_inode(microseconds, inode):
    queue_id = names.short_id(microseconds, inode)
    assert (names.microseconds(queue_id), names.inode(queue_id)) == (microseconds, inode)
    assert names.is_valid(queue_id)
    assert not names.is_long(queue_id)


@given(st.integers(0, 2**40), MICROSECONDS, INODES)
def test_long_ids_hold_all_three(seconds, microseconds, inode):
    queue_id = names.long_id(seconds, microseconds, inode)
    parts = names.seconds(queue_id), names.microseconds(queue_id), names.inode(queue_id)
    assert parts == (seconds, microseconds, inode)
    assert names.is_valid(queue_id)
    assert names.is_long(queue_id)
