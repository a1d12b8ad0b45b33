"""Nobody is unknown because the system can't look."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pyfix.unix import passwd

BOTH = pytest.mark.parametrize("find", [passwd.find_user, passwd.find_group])


@contextmanager
def no_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def without_descriptors(find, name: str) -> object:
    """What a look-up finds; the number of an error."""
    with no_descriptors():
        try:
            return find(name)
        except OSError as error:
            return error.errno


@BOTH
def test_who_is_there_is_found_and_who_is_not_is_not(find) -> None:
    entry = find("root")
    assert entry is not None
    assert entry[0] == "root"
    assert find("no such name") is None
    assert find("nul\0") is None
    assert find("\udcff") is None


@BOTH
def test_without_descriptors_nobody_is_unknown(find) -> None:
    assert None not in [without_descriptors(find, name) for name in ("root", "daemon", "mail", "nobody", "nogroup")]
    assert without_descriptors(find, "no such name") == errno.EMFILE


@BOTH
def test_a_directory_service_that_is_away_makes_nobody_unknown(find, monkeypatch) -> None:
    monkeypatch.setattr(passwd, "_reason", lambda *_: errno.ECONNREFUSED)
    with pytest.raises(ConnectionRefusedError):
        find("no such name")
