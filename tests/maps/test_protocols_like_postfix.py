"""memcache, tcp, socketmap: what a server is asked, byte for byte, and what its answers mean, as with real Postfix."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pyfix.maps import servers as table_servers
from pyfix.maps.open import open_or_fail
from pyfix.maps.table import TableError
from tests.maps.test_servers import small_server
from tests.real_postfix import release

Run = Callable[..., "CompletedProcess[bytes]"]


@contextmanager
def memcached(known: dict[bytes, bytes], path: str = "") -> Iterator[tuple[str, list[bytes]]]:
    """One that says this to these keys and STORED to all updates. Where it is, and the commands that it got."""
    asked: list[bytes] = []
    family, address = (socket.AF_UNIX, path) if path else (socket.AF_INET, ("127.0.0.1", 0))

    def talk(peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as lines, suppress(ConnectionError):
            asked.append(b"connection")
            for line in lines:
                command, key, *more = line.split()
                data = lines.read(int(more[2]) + 2) if command == b"set" else b""
                asked.append(line + data)
                reply = b"STORED\r\n" if data else known.get(key, b"END\r\n")
                if not reply:
                    return
                peer.sendall(reply)

    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=talk, args=[listener.accept()[0]], daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"unix:{path}" if path else f"inet:127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


def both(postfix: Run, spec: str, key: str) -> list[tuple[str | None, bool]]:
    """What we and real Postfix find, and whether there was trouble."""
    try:
        ours: tuple[str | None, bool] = open_or_fail(spec).lookup_now(key), False
    except TableError:
        ours = None, True
    done = postfix("postmap", "-q", key, spec)
    found = None if done.returncode else done.stdout.decode().removesuffix("\n")
    return [ours, (found, b"query error" in done.stderr)]


def value(data: bytes, key: bytes = b"a") -> bytes:
    return b"VALUE %b 7 %d\r\n%b\r\nEND\r\n" % (key, len(data), data)


MEMCACHE = {
    "found": ("", {b"a": value(b"v w")}),
    "not found": ("", {}),
    "empty": ("", {b"a": value(b"")}),
    "backup": ("backup = texthash:{here}/back\n", {}),
    "backup, ttl and flags": ("backup = texthash:{here}/back\nttl = 60\nflags = 5\n", {}),
    "backup, key_format": ("backup = texthash:{here}/back\nkey_format = x:%s\n", {}),
    "backup that is not asked": ("backup = texthash:{here}/back\n", {b"a": value(b"first")}),
    "key_format": ("key_format = x:%s\n", {b"x:a": value(b"v", b"x:a")}),
    "key_format without it": ("key_format = %d\n", {b"a": value(b"v")}),
    "empty key_format": ("key_format =\n", {b"a": value(b"v")}),
    "empty key_format, backup": ("key_format =\nbackup = texthash:{here}/back\n", {b"a": value(b"v")}),
    "what makes nothing of values": ("result_format = <%s> %x\nexpansion_limit = few\n", {b"a": value(b"v,w")}),
    "empty result_format": ("result_format =\n", {b"a": value(b"v")}),
    "domain": ("domain = b.c\n", {b"a": value(b"v")}),
    "data_size_limit reached": ("data_size_limit = 3\n", {b"a": value(b"xyz")}),
    "data_size_limit": ("data_size_limit = 2\n", {b"a": value(b"xyz")}),
    "line_size_limit reached": ("line_size_limit = 11\n", {b"a": value(b"xyz")}),
    "line_size_limit": ("line_size_limit = 2\n", {b"a": value(b"xyz")}),
    "hangs up": ("", {b"a": b""}),
    "hangs up, max_try": ("max_try = 1\n", {b"a": b""}),
    "hangs up, more of max_try": ("max_try = 3\n", {b"a": b""}),
    "error": ("", {b"a": b"ERROR\r\n"}),
    "silent": ("timeout = 1\nmax_try = 1\n", {b"a": b"VALUE a 0"}),
}


@pytest.mark.parametrize("name", MEMCACHE)
def test_memcached_is_sent_the_same_bytes(name: str, here: Path, postfix: Run) -> None:
    text, known = MEMCACHE[name]
    (here / "back").write_text("a from behind\n")
    with memcached(known) as (where, asked):
        (here / "mc.cf").write_text(f"memcache = {where}\n{text.format(here=here)}")
        os.utime(here / "mc.cf", (1000, 1000))  # a fresh one makes Postfix wait
        ours, theirs = both(postfix, f"memcache:{here}/mc.cf", "a")
        assert ours == theirs
        half = len(asked) // 2
        assert asked[:half] == asked[half:]


def test_memcached_may_be_at_a_path(here: Path, postfix: Run) -> None:
    with memcached({b"a": value(b"v")}, str(here / "sock")) as (where, asked):
        (here / "mc.cf").write_text(f"memcache = {where}\n")
        os.utime(here / "mc.cf", (1000, 1000))
        assert both(postfix, f"memcache:{here}/mc.cf", "a") == [("v", False)] * 2
        assert len(asked) == 4


def test_retry_pause_is_between_two_tries(here: Path, monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(table_servers.time, "sleep", pauses.append)
    with memcached({b"a": b""}) as (where, _):
        (here / "mc.cf").write_text(f"memcache = {where}\nmax_try = 3\nretry_pause = 7\n")
        with pytest.raises(TableError):
            open_or_fail(f"memcache:{here}/mc.cf").lookup_now("a")
    assert pauses == [7, 7]
    assert len(log) == 1


TCP = {
    "found": b"200 v%20w\n",
    "not encoded": b"200 v w\n",
    "empty": b"200 \n",
    "without a text": b"200\n",
    "not found": b"500 no\n",
    "not found, without a text": b"500\n",
    "trouble": b"400 not now\n",
    "more space": b"200  v\n",
    "a tab": b"200\tv\n",
    "another code": b"250 v\n",
    "a code that is longer": b"2000 v\n",
    "bad encoding": b"200 v%2\n",
    "bad hexadecimal": b"200 v%zz\n",
    "CRLF": b"200 v\r\n",
    "longest": b"200 " + b"x" * 4091 + b"\n",
    "too long": b"200 " + b"x" * 4200 + b"\n",
    "hangs up": b"",
    "hangs up in the middle": b"200 v",
    "two lines": b"200 v\n200 w\n",
}


@pytest.mark.parametrize("name", TCP)
def test_answers_of_a_tcp_server_mean_the_same(name: str, here: Path, postfix: Run) -> None:
    whole = TCP[name].endswith(b"\n")
    with small_server(lambda _: TCP[name]) if whole or not TCP[name] else dropping(TCP[name]) as (port, asked):
        ours, theirs = both(postfix, f"tcp:127.0.0.1:{port}", "a b%")
        assert ours == theirs
        assert set(asked) <= {b"get a%20b%25\n"}


@contextmanager
def dropping(reply: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Says this to any question and hangs up."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer:
                        asked.append(peer.recv(1000))
                        peer.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], asked
        listener.shutdown(socket.SHUT_RDWR)


SOCKETMAP = {
    "found": b"7:OK v  w,",
    "empty": b"3:OK ,",
    "OK alone": b"2:OK,",
    "not found": b"9:NOTFOUND ,",
    "not found, without a space": b"8:NOTFOUND,",
    "not found, with a text": b"13:NOTFOUND text,",
    "temporary": b"8:TEMP no.,",
    "time-out": b"8:TIMEOUT ,",
    "for ever": b"8:PERM no.,",
    "another word": b"5:FOO x,",
    "nothing": b"0:,",
    "longest": b"100000:OK " + b"x" * 99_997 + b",",
    "too long": b"100001:OK " + b"x" * 99_998 + b",",
    "no netstring": b"OK v\n",
    "no comma": b"4:OK v;",
    "no length": b":OK v,",
    "leading zero": b"04:OK v,",
    "hangs up": b"",
    "hangs up in the middle": b"9:OK v",
}


NEWER = {"OK alone": (3, 10)}
"""What older releases than these answer as it happens."""


@pytest.mark.parametrize("name", SOCKETMAP)
def test_answers_of_a_socketmap_server_mean_the_same(name: str, here: Path, postfix: Run) -> None:
    with dropping(SOCKETMAP[name]) as (port, asked):
        ours, theirs = both(postfix, f"socketmap:inet:127.0.0.1:{port}:m", "a b")
        assert ours == theirs or release() < NEWER.get(name, ())
        assert set(asked) <= {b"5:m a b,"}


def test_longest_answers_of_socketmap_servers_are_a_parameter(here: Path, postfix: Run) -> None:
    (here / "etc/main.cf").write_text("compatibility_level = 3.6\nsocketmap_max_reply_size = 5\n")
    os.utime(here / "etc/main.cf", (1000, 1000))
    for reply, found in {b"5:OK vv,": ("vv", False), b"6:OK vvv,": (None, True)}.items():
        with dropping(reply) as (port, _):
            spec = f"socketmap:inet:127.0.0.1:{port}:m"
            try:
                ours: tuple[str | None, bool] = open_or_fail(spec, config_dir="etc").lookup_now("a"), False
            except TableError:
                ours = None, True
            assert ours == found
            if release() >= (3, 10):
                assert both(postfix, spec, "a")[1] == found
