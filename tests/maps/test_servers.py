"""memcache, redis, tcp, socketmap, python: on real servers, on small ones of the test's own, and without any."""

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pyfix.maps import socketmap, tcp
from pyfix.maps.open import open_or_fail, open_table
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import OpenError, TableError
from pyfix.wire import netstring
from tests.maps import servers
from tests.ports import free_port

Run = Callable[..., "CompletedProcess[bytes]"]
Answer = Callable[[bytes], bytes]


@contextmanager
def small_server(answer: Answer, end: bytes = b"\n") -> Iterator[tuple[int, list[bytes]]]:
    """Answers each request (up to `end`); an empty answer hangs up. Gives its port and what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        with peer, suppress(ConnectionError):
            data = b""
            while more := peer.recv(65536):
                data += more
                if data.endswith(end):
                    asked.append(data)
                    reply = answer(data)
                    if not reply:
                        return
                    peer.sendall(reply)
                    data = b""

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=[peer], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


TCP = {
    b"get a\n": b"200 one\n",
    b"get A\n": b"200 upper\n",
    b"get b%20c%25\n": b"200 x%20%25%0a\n",
    b"get %C3%A9\n": b"200 %e2%82%ac\n",
    b"get bad\n": b"400 not%20now\n",
    b"get odd\n": b"600 what\n",
    b"get long\n": b"200 " + b"x" * 5000 + b"\n",
    b"get gone\n": b"",
}
TCP_KEYS = ["a", "A", "b c%", "\u00e9", "none"]


def answer_tcp(request: bytes) -> bytes:
    return TCP.get(request, b"500 not found\n")


def test_a_tcp_server_is_asked_as_real_postfix_does(here: Path, postfix: Run) -> None:
    with small_server(answer_tcp) as (port, asked):
        table = open_or_fail(f"tcp:127.0.0.1:{port}")
        ours = [table.lookup_now(key) for key in TCP_KEYS]
        by_us, asked[:] = list(asked), []
        for key, value in zip(TCP_KEYS, ours, strict=True):
            done = postfix("postmap", "-q", key, f"tcp:127.0.0.1:{port}")
            assert done.stdout.decode() == ("" if value is None else f"{value}\n")
        assert asked == by_us


@pytest.mark.parametrize("key", ["bad", "odd", "long", "gone"])
def test_a_tcp_server_in_trouble_is_an_error_and_recovers(
    key: str, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "RETRY", 0)
    with small_server(answer_tcp) as (port, _):
        table = open_or_fail(f"tcp:127.0.0.1:{port}")
        with pytest.raises(TableError):
            table.lookup_now(key)
        (line,) = log
        assert line.startswith(f"warning: tcp:127.0.0.1:{port}: TCP map server 127.0.0.1:{port}: ")
        assert table.lookup_now("a") == "one"


def test_a_server_that_is_silent_is_an_error(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    monkeypatch.setattr(tcp, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        table = open_or_fail(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(TableError):
            table.lookup_now("a")
    assert "timed out" in log[0]


SOCKETMAP = {
    b"m a": b"OK one",
    b"m A": b"OK upper",
    b"m b c": b"OK x y",
    b"m empty": b"NOTFOUND ",
    b"m t": b"TEMP not now",
    b"m p": b"PERM never",
    b"m o": b"TIMEOUT too late",
    b"m odd": b"WHAT",
    b"m long": b"OK " + b"x" * 100_001,
}


def answer_socketmap(request: bytes) -> bytes:
    found = netstring.decode(request, 1000)
    assert found is not None
    return netstring.encode(SOCKETMAP.get(found[0], b"NOTFOUND "))


def test_a_socketmap_server_is_asked_as_real_postfix_does(here: Path, postfix: Run) -> None:
    with small_server(answer_socketmap, b",") as (port, asked):
        spec = f"socketmap:inet:127.0.0.1:{port}:m"
        table = open_or_fail(spec)
        keys = ["a", "A", "b c", "empty", "none"]
        ours = [table.lookup_now(key) for key in keys]
        by_us, asked[:] = list(asked), []
        for key, value in zip(keys, ours, strict=True):
            assert postfix("postmap", "-q", key, spec).stdout.decode() == ("" if value is None else f"{value}\n")
        assert asked == by_us


@pytest.mark.parametrize("key", ["t", "p", "o", "odd", "long"])
def test_a_socketmap_server_in_trouble_is_an_error(
    key: str, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socketmap, "RETRY", 0)
    with small_server(answer_socketmap, b",") as (port, _):
        table = open_or_fail(f"socketmap:inet:127.0.0.1:{port}:m")
        with pytest.raises(TableError):
            table.lookup_now(key)
        assert len(log) == 1
        assert table.lookup_now("a") == "one"


@pytest.mark.parametrize("name", ["x:y:z", "unix:", "inet", "inet:127.0.0.1:1:"])
def test_a_socketmap_needs_a_server_and_a_name(name: str) -> None:
    with pytest.raises(OpenError, match="need socketmap:inet:host:port:name or socketmap:unix:path:name"):
        open_or_fail(f"socketmap:{name}")


@pytest.fixture(scope="module")
def memcached() -> Iterator[int]:
    with servers.memcached() as port:
        yield port


def memcache(here: Path, port: int, text: str = "") -> str:
    (here / "mc.cf").write_text(f"memcache = inet:127.0.0.1:{port}\nretry_pause = 1\nmax_try = 1\n{text}")
    os.utime(here / "mc.cf", (1000, 1000))  # a fresh one makes Postfix wait
    return f"memcache:{here}/mc.cf"


def stored(port: int, key: bytes, value: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"set %b 0 0 %d\r\n%b\r\n" % (key, len(value), value))
        assert sock.recv(100) == b"STORED\r\n"


def test_memcached_is_asked_as_real_postfix_does(here: Path, memcached: int, postfix: Run) -> None:
    stored(memcached, b"p:a@b.c", b"v 1")
    stored(memcached, b"p:x@y.z", b"")
    text = "key_format = p:%s\nresult_format = %s of %D\ndomain = b.c\n"
    spec = memcache(here, memcached, text.replace("result_format = %s of %D\n", ""))
    table = open_or_fail(spec)
    for key in ("A@b.c", "a b@b.c", "none@b.c", "x@y.z", "k" * 300 + "@b.c", "\x01@b.c"):
        done = postfix("postmap", "-q", key, spec)
        value = table.lookup_now(key)
        assert done.stdout.decode() == ("" if value is None else f"{value}\n"), (key, done.stderr)


def test_what_memcached_does_not_have_comes_from_the_backup_and_is_kept(here: Path, memcached: int) -> None:
    (here / "t").write_text("new@b.c from the file\n")
    table = open_or_fail(memcache(here, memcached, f"backup = texthash:{here}/t\nkey_format = k:%s\n"))
    assert table.lookup_now("New@b.c") == "from the file"
    assert open_or_fail(memcache(here, memcached, "key_format = k:%s\n")).lookup_now("new@b.c") == "from the file"
    assert table.lookup_now("none@b.c") is None


def test_memcached_may_know_keys_by_their_digest(here: Path, memcached: int, log: list[str]) -> None:
    stored(memcached, b"7051e63d9a2e7f3e62c55fed492b99b729e17dec791c6c6c7aef06b5f148f5eb", b"short")
    table = open_or_fail(memcache(here, memcached, "key_format = p:%s\nkey_digest = sha256\n"))
    assert [table.lookup_now(key) for key in ("Ab@c.d", "x" * 300, "")] == ["short", None, None]
    stored(memcached, b"02fd68253071f895718c8d41f7ff665abe1a6290", b"long")
    assert open_or_fail(memcache(here, memcached, "key_digest = SHA1\n")).lookup_now("x" * 300) == "long"
    with pytest.raises(OpenError, match=f"^open {here}/mc.cf: key digest nosuch is not available$"):
        open_or_fail(memcache(here, memcached, "key_digest = nosuch\n"))
    with pytest.raises(TableError):
        open_or_fail(memcache(here, memcached, "key_digest = shake128\n")).lookup_now("x")
    assert log[-1] == f"warning: memcache:{here}/mc.cf: shake128 message digest failed"


def test_without_memcached_the_backup_answers(here: Path, log: list[str]) -> None:
    (here / "t").write_text("a 1\n")
    port = free_port()
    table = open_or_fail(memcache(here, port, f"backup = texthash:{here}/t\n"))
    assert [table.lookup_now(key) for key in ("a", "b")] == ["1", None]
    assert "Connection refused" in log[0]
    with pytest.raises(TableError):
        open_or_fail(memcache(here, port)).lookup_now("a")


@pytest.mark.parametrize(
    "reply", [b"WHAT\r\n", b"VALUE b 0 1\r\nx\r\nEND\r\n", b"VALUE a 0 99999\r\n", b"x" * 2000, b""]
)
def test_garbage_from_memcached_is_an_error(here: Path, reply: bytes) -> None:
    with small_server(lambda _: reply) as (port, _), pytest.raises(TableError):
        open_or_fail(memcache(here, port)).lookup_now("a")


@pytest.fixture(scope="module")
def redis_port() -> Iterator[int]:
    redis = pytest.importorskip("redis", reason="the extra redis is not installed")
    with servers.redis() as port:
        with redis.Redis(port=port) as client:
            client.set("alias:a@b.c", "one")
            client.set("alias:*", "star")
            client.hset("users", "a@b.c", "box")
            client.sadd("set:a@b.c", "two", "one")
            client.rpush("list:a@b.c", "y", "x")
        yield port


@pytest.mark.parametrize(
    ("query", "key", "value"),
    [
        ("GET alias:%s", "A@b.c", "one"),
        ("GET alias:%s", "*", "star"),
        ("GET alias:%s", "none", None),
        ("GET alias:%u@b.%1", "a@x.c", "one"),
        ("GET alias:%s", "a@b.c x", None),
        ("HGET users %s", "a@b.c", "box"),
        ("SMEMBERS set:%s", "a@b.c", "one,two"),
        ("LRANGE list:%s 0 -1", "a@b.c", "y,x"),
    ],
)
def test_redis_is_asked_any_question(here: Path, redis_port: int, query: str, key: str, value: str | None) -> None:
    (here / "r.cf").write_text(f"hosts = redis://127.0.0.1:{redis_port}/0\nquery = {query}\n")
    assert open_or_fail(f"redis:{here}/r.cf").lookup_now(key) == value


def test_redis_in_trouble_is_an_error(here: Path, redis_port: int, log: list[str]) -> None:
    for port, query in ((redis_port, "GET users"), (redis_port, "NOSUCH %s"), (free_port(), "GET %s")):
        (here / "r.cf").write_text(f"hosts = redis://127.0.0.1:{port}/0\nquery = {query}\n")
        with pytest.raises(TableError):
            open_or_fail(f"redis:{here}/r.cf").lookup_now("a")
    assert len(log) == 3


MODULE = """
import asyncio
def plain(key): return {"a": "1"}.get(key)
async def waits(key):
    await asyncio.sleep(0)
    return key.upper()
def whole(key): return key
whole.fixed = False
def wrong(key): return 5
def broken(key): raise KeyError(key)
"""


@pytest.fixture
def module(here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (here / "our_tables.py").write_text(MODULE)
    monkeypatch.syspath_prepend(here)
    monkeypatch.delitem(sys.modules, "our_tables", raising=False)
    return "python:our_tables"


def test_a_function_is_a_table(module: str) -> None:
    assert [open_or_fail(f"{module}:plain").lookup_now(key) for key in ("A", "b")] == ["1", None]
    assert open_or_fail(f"{module}:waits").lookup_now("abc") == "ABC"
    assert asyncio.run(open_or_fail(f"{module}:waits").lookup("abc")) == "ABC"
    table = open_or_fail(f"{module}:whole")
    assert (table.lookup_now("Ab"), table.fixed) == ("Ab", False)


def test_a_function_that_fails_is_told_with_its_place(module: str, log: list[str], here: Path) -> None:
    for name in ("wrong", "broken"):
        with pytest.raises(TableError):
            open_or_fail(f"{module}:{name}").lookup_now("k")
    wrong, broken = log
    assert 'our_tables:wrong: lookup of "k" failed: TypeError: int instead of str or None (' in wrong
    assert broken == (
        "warning: python:our_tables:broken: lookup of \"k\" failed:"
        f" KeyError: 'k' ({here}/our_tables.py, line 10)"
    )


@pytest.mark.parametrize("name", ["our_tables", "our_tables:none", "no_such_module:f", "our_tables:MODULE"])
def test_what_is_no_function_is_told(module: str, name: str) -> None:
    with pytest.raises(OpenError, match=f"^python:{name}: "):
        open_or_fail(f"python:{name}")


class Fake:
    """A connection that a test breaks at will."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_a_kept_connection_that_has_died_is_replaced_at_once(log: list[str]) -> None:
    made: list[Fake] = []

    def connect(_: str) -> Fake:
        made.append(Fake())
        return made[-1]

    def question(connection: Fake) -> str:
        if len(made) == 1 and dead:
            raise OSError(0, "server has gone away")
        return "answer"

    some: Servers[Fake] = Servers("X", ["a"], connect)
    dead = False
    assert some.ask(question, table="x:y") == "answer"
    dead = True
    assert some.ask(question, table="x:y") == "answer"
    assert (len(made), made[0].closed, log) == (2, True, [])


def test_a_server_rests_after_a_failure_and_is_tried_again_later(log: list[str]) -> None:
    now, down = 0.0, {"a", "unix:b"}

    def connect(name: str) -> Fake:
        if name in down:
            raise OSError(0, f"{name} is down")
        return Fake()

    some = Servers("X", ["a", "unix:b"], connect, retry_interval=60, clock=lambda: now)
    for _ in range(3):
        with pytest.raises(TableError):
            some.ask(lambda _: None, table="x:y")
    assert log == ["warning: x:y: X server unix:b: unix:b is down", "warning: x:y: X server a: a is down"]
    down.clear()
    with pytest.raises(TableError):
        some.ask(lambda _: None, table="x:y")
    now = 61.0
    assert some.ask(lambda _: "up", table="x:y") == "up"


def test_a_question_that_is_refused_costs_no_connection(log: list[str]) -> None:
    made: list[Fake] = []
    some: Servers[Fake] = Servers("X", ["a"], lambda _: made.append(Fake()) or made[-1])  # type: ignore[func-returns-value]

    def refused(_: Fake) -> None:
        raise WrongQuestionError("no such table")

    for _ in range(2):
        with pytest.raises(TableError, match="Temporary lookup failure"):
            some.ask(refused, table="x:y")
    assert (len(made), made[0].closed) == (1, False)


def test_a_server_that_hangs_holds_up_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "TIMEOUT", 30)
    released = threading.Event()
    with small_server(lambda _: b"200 late\n" if released.wait(20) else b"") as (port, _):
        table = open_table(f"unionmap:{{inline:{{k=v}},tcp:127.0.0.1:{port}}}")

        async def others_go_on() -> str | None:
            asking = asyncio.create_task(table.lookup("k"))
            for _ in range(3):
                await asyncio.sleep(0.001)
            assert not asking.done()
            released.set()
            return await asking

        start = time.monotonic()
        assert asyncio.run(others_go_on()) == "v,late"
        assert time.monotonic() - start < 15


@contextmanager
def babbler(reply: bytes) -> Iterator[int]:
    """A server that says this to whoever comes, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer, suppress(OSError):
                        peer.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


PARAMETERS = {
    "mysql": "hosts = 127.0.0.1:{port}\nquery = SELECT '%s'\n",
    "pgsql": "hosts = 127.0.0.1:{port}\nquery = SELECT '%s'\nuser = u\n",
    "redis": "hosts = redis://127.0.0.1:{port}\n",
    "ldap": "server_host = ldap://127.0.0.1:{port}\nsearch_base = dc=test\n",
    "memcache": "memcache = inet:127.0.0.1:{port}\nmax_try = 1\n",
}
DRIVERS = {"mysql": "pymysql", "pgsql": "psycopg", "redis": "redis", "ldap": "ldap"}


@pytest.mark.parametrize(
    "reply",
    [b"", b"\xff" * 300, b"\0" * 300, b"0\x82", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"J\0\0\0\n8.0\0\1\0\0\0"],
    ids=["nothing", "ones", "zeros", "half LDAP", "HTTP", "half MySQL"],
)
@pytest.mark.parametrize("kind", PARAMETERS)
def test_garbage_and_hang_ups_are_errors_and_told_once(
    here: Path, log: list[str], kind: str, reply: bytes
) -> None:
    if kind in DRIVERS:
        pytest.importorskip(DRIVERS[kind], reason=f"the extra {kind} is not installed")
    with babbler(reply) as port:
        (here / "x.cf").write_text(PARAMETERS[kind].format(port=port))
        with pytest.raises(TableError) as caught:
            open_or_fail(f"{kind}:{here}/x.cf").lookup_now("a")
    assert (caught.value.code, caught.value.status) == (451, "4.3.0")
    (line,) = log
    assert line.startswith(f"warning: {kind}:{here}/x.cf: ")


def test_connections_that_were_idle_for_long_are_closed_and_not_used() -> None:
    made: list[Fake] = []
    times = [0.0]

    def connect(_: str) -> Fake:
        made.append(Fake())
        return made[-1]

    some: Servers[Fake] = Servers("X", ["a"], connect, idle_interval=60, clock=lambda: times[-1])
    for now in (0.0, 59.0, 118.0, 200.0):
        times.append(now)
        some.ask(lambda _: None, table="x:y")
    assert [each.closed for each in made] == [True, False]


def test_a_lone_server_is_tried_again_unless_nobody_is_there(log: list[str]) -> None:
    asked: list[OSError] = []
    troubles = [OSError(0, "trouble"), ConnectionRefusedError(0, "trouble"), FileNotFoundError(0, "trouble")]

    def connecting(trouble: OSError) -> Callable[[str], Fake]:
        def connect(_: str) -> Fake:
            asked.append(trouble)
            raise trouble

        return connect

    for names in (["a"], ["a", "b"]):
        for trouble in troubles:
            with pytest.raises(TableError):
                Servers("X", names, connecting(trouble), tries=3).ask(lambda _: None, table="x:y")
    assert [asked.count(each) for each in troubles] == [5, 3, 3]
    assert len(log) == 9
