"""What becomes of keys in questions to servers, and of values in result_format: real postmap's and ours.

memcached and a directory of ours write down what they are asked; SQLite gives back the text that it is asked.
"""

import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pyfix.maps.open import open_or_fail
from pyfix.maps.table import TableError
from pyfix.unix import msg
from tests.asked import asked

Run = Callable[..., "CompletedProcess[bytes]"]

KEYS = [
    "user@example.com", "User+Ext@Sub.Example.COM", "user", "example.com", "@example.com", ".example.com", "user@",
    "@", "a@b", "a@b@c.d", '"a b"@c.d', '"a@b"@c.d', "u@[192.0.2.1]", "u@[IPv6:::1]", "u@a.b.c.d.e.f.g.h.i.j.k",
    "192.0.2.1", "2001:db8::1", "u@.a..b.", "u@a.", "u@.a", "o'b\\x@c.d", "(a)*&|=,+#<>;\\@x.y", "\u00e9@\u00fc.de",
    "%s@%d.%u", "a%40b", " a@b ", "x" * 50 + "@" + "y" * 20 + ".z", "-", "u@b.c", "u@x.b.c", "u@C", "\"@b.c", "*",
]  # fmt: skip
PARTS = [
    "%s", "<%u>", "<%d>", "%u at %d", "%S/%U/%D", "%1", "%2.%1", "%3", "%9", "%1%2%3%4%5%6%7%8%9", "100%% %s", "fixed",
    "%s%s", "%u%%d",
]  # fmt: skip
DOMAINS = [
    "b.c", "example.com, sub.example.com, !c", ".c, b", "a.b.c.d.e.f.g.h.i.j.k", "!b.c, inline:{c.d=x}", "c.d c", "*",
]  # fmt: skip


def write(here: Path, text: str) -> str:
    (here / "db").touch()
    (here / "t.cf").write_text(text)
    os.utime(here / "t.cf", (1000, 1000))  # a fresh one makes Postfix wait
    return f"{here}/t.cf"


def theirs(postfix: Run, spec: str, keys: list[str]) -> dict[str, str]:
    done = postfix("postmap", "-q", "-", spec, stdin="".join([f"{key}\n" for key in keys]).encode())
    assert b"fatal" not in done.stderr, done.stderr
    return dict(line.split("\t", 1) for line in done.stdout.decode().splitlines())


def ours(spec: str, keys: list[str]) -> dict[str, str]:
    before = msg.to(lambda *_: None)
    try:
        table = open_or_fail(spec)
        return {key: value for key in keys if (value := table.lookup_now(key)) is not None}
    finally:
        msg.to(*before)


# memcached


ASKED = [*[(template, "") for template in PARTS], *[("%s", domain) for domain in DOMAINS], ("%2.%1", ".c, b")]


@pytest.mark.parametrize(("template", "domain"), ASKED)
def test_memcached_is_asked_for_the_same_keys(here: Path, postfix: Run, template: str, domain: str) -> None:
    template = template.replace(" ", "_")
    with asked() as server:
        text = f"memcache = inet:127.0.0.1:{server.port}\nkey_format = {template}\ndomain = {domain}\n"
        spec = f"memcache:{write(here, text)}"
        theirs(postfix, spec, KEYS)
        real = list(server.keys)
        server.keys.clear()
        ours(spec, KEYS)
        assert server.keys == real


# SQLite: what it is asked for is what it answers


needs_sqlite = pytest.mark.skipif(
    not Path("/usr/lib/postfix/postfix-sqlite.so").exists(), reason="real Postfix's sqlite plug-in is not installed"
)


@needs_sqlite
@pytest.mark.parametrize(("template", "domain"), ASKED)
def test_sqlite_is_asked_the_same(here: Path, postfix: Run, template: str, domain: str) -> None:
    path = write(here, f"dbpath = {here}/db\nquery = SELECT '[{template}]'\ndomain = {domain}\n")
    assert ours(f"sqlite:{path}", KEYS) == theirs(postfix, f"sqlite:{path}", KEYS)


VALUES = ["v@w.x", "plain", "@w.x", "v@", "a@b@c.d", "", "v@a.b.c", "A B", "%s", "V@W.X", "@"]


@needs_sqlite
@pytest.mark.parametrize("result_format", [*PARTS, "%D %d", "%U@%d", "%S", "smtp:[%s]", "%1 of %d", "<%s>%2"])
def test_values_are_put_into_the_same_formats(here: Path, postfix: Run, result_format: str) -> None:
    rows = " UNION ALL ".join([f"SELECT '{value}'" for value in VALUES])
    path = write(here, f"dbpath = {here}/db\nquery = {rows}\nresult_format = {result_format}\n")
    assert ours(f"sqlite:{path}", KEYS) == theirs(postfix, f"sqlite:{path}", KEYS)


@needs_sqlite
@pytest.mark.parametrize("limit", [0, 1, 2, 3])
@pytest.mark.parametrize("values", [[], ["a"], ["a", "b"], ["a", "", "b"], ["a", "b@c", "c"], ["", ""]])
@pytest.mark.parametrize("result_format", ["%s", "%d"])
def test_as_many_values_are_too_many(
    here: Path, postfix: Run, log: list[str], limit: int, values: list[str], result_format: str
) -> None:
    rows = " UNION ALL ".join([f"SELECT '{value}'" for value in values]) or "SELECT 1 WHERE 0"
    text = f"dbpath = {here}/db\nquery = {rows}\nexpansion_limit = {limit}\nresult_format = {result_format}\n"
    spec = f"sqlite:{write(here, text)}"
    done = postfix("postmap", "-q", "k", spec)
    lines = [line.removeprefix("postmap: ") for line in done.stderr.decode().splitlines()]
    lines = [line.partition(" query error")[0] for line in lines]
    try:
        value = open_or_fail(spec).lookup_now("k")
    except TableError as error:
        value = None
        log.append(f"fatal: table {error.table}:")
    assert (value or "") == done.stdout.decode().rstrip("\n")
    assert [line for line in log if "recommended" not in line] == lines


# A directory


class Directory(socketserver.ThreadingTCPServer):
    """An LDAP server that finds nothing, and remembers (base, filter) of each search."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.searches: list[tuple[bytes, bytes]] = []


class _Client(socketserver.StreamRequestHandler):
    server: Directory

    def handle(self) -> None:
        while message := self._message():
            number, rest = _element(message)[1:]
            kind, request, _ = _element(rest)
            if kind == 0x42:
                return
            if kind == 0x63:
                self.server.searches.append(_search(request))
            done = b"\x0a\x01\x00\x04\x00\x04\x00"
            answer = kind + (2 if kind == 0x63 else 1)
            reply = b"\x02" + bytes([len(number)]) + number + bytes([answer, len(done)]) + done
            self.wfile.write(b"\x30" + bytes([len(reply)]) + reply)

    def _message(self) -> bytes:
        head = self.rfile.read(2)
        if len(head) < 2:
            return b""
        size = head[1]
        if size & 0x80:
            size = int.from_bytes(self.rfile.read(size & 0x7F), "big")
        return self.rfile.read(size)


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag, content and what follows."""
    size, at = data[1], 2
    if size & 0x80:
        at += size & 0x7F
        size = int.from_bytes(data[2:at], "big")
    return data[0], data[at : at + size], data[at + size :]


def _search(request: bytes) -> tuple[bytes, bytes]:
    _, base, rest = _element(request)
    for _ in range(5):
        rest = _element(rest)[2]
    return base, rest[: len(rest) - len(_element(rest)[2])]


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    with Directory() as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()


FILTERS = [
    "(mail=%s)", "(&(uid=%u)(dc=%d))", "(|(mail=%S)(cn=*%U*)(o=%2.%1))", "(mail=100%%%s)", "(cn=fixed)", "(o=%9)",
]  # fmt: skip
BASES = ["cn=%s,dc=test", "ou=%u,dc=%d", "dc=%2,dc=%1", "%D"]


@pytest.mark.parametrize(
    ("query_filter", "base"),
    [*[(query_filter, "dc=test") for query_filter in FILTERS], *[("(mail=%s)", base) for base in BASES]],
)
def test_a_directory_is_asked_the_same(
    here: Path, postfix: Run, directory: Directory, query_filter: str, base: str
) -> None:
    pytest.importorskip("ldap", reason="the extra ldap is not installed")
    if not Path("/usr/lib/postfix/postfix-ldap.so").exists():
        pytest.skip("real Postfix's ldap plug-in is not installed")
    host = f"server_host = ldap://127.0.0.1:{directory.server_address[1]}\n"
    path = write(here, f"{host}search_base = {base}\nquery_filter = {query_filter}\n")
    spec = f"ldap:{path}"
    found = []
    for ask in (lambda: theirs(postfix, spec, KEYS), lambda: ours(spec, KEYS)):
        directory.searches.clear()
        ask()
        found.append(list(directory.searches))
    assert found[1] == found[0]
