"""servers - lookups a second in tables behind proxymap, with real database and directory servers

    python -m bench.servers [--postfix] [mysql] [pgsql] [ldap]   a few seconds each; needs what the tests of maps need

One proxymap of a started instance is asked by one client process that has 1, then 8 lookups under way, as a
daemon on an event loop has. --postfix: real Postfix's, asked by 1, then 8 of its own `postmap -q -`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from bench.instance import PYFIX, Instance, Kind, real_postfix
from pyfix.maps.open import open_or_fail
from pyfix.maps.table import LocalTable
from pyfix.server.worker import new_event_loop
from tests.maps import servers

ROWS = 1_000
SECONDS = 2.0
KEYS = 3_000
"""That one postmap asks for."""

ENTRY = """\
dn: cn=u{0},dc=test
objectClass: mailthing
cn: u{0}
maildrop: box{0}@backend.example

"""


@contextmanager
def mysql() -> Iterator[str]:
    import pymysql

    with servers.mariadb() as (port, sock):
        with pymysql.connect(unix_socket=str(sock), user="root", autocommit=True) as connection:
            _fill(connection.cursor().execute, "CREATE DATABASE m", "USE m")
        yield f"hosts = 127.0.0.1:{port}\nuser = root\ndbname = m\nquery = SELECT v FROM t WHERE k = '%s'\n"


@contextmanager
def pgsql() -> Iterator[str]:
    import psycopg

    with servers.postgresql() as (port, _):
        with psycopg.connect(host="127.0.0.1", port=port, user="postgres", autocommit=True) as connection:
            _fill(lambda text: connection.execute(text.encode()))
        yield f"hosts = 127.0.0.1:{port}\nuser = postgres\ndbname = postgres\nquery = SELECT v FROM t WHERE k = '%s'\n"


@contextmanager
def ldap() -> Iterator[str]:
    entries = "".join([ENTRY.format(at) for at in range(ROWS)])
    with servers.slapd(f"dn: dc=test\nobjectClass: domain\ndc: test\n\n{entries}") as (port, _):
        yield (
            f"server_host = ldap://127.0.0.1:{port}\nsearch_base = cn=%u,dc=test\nscope = base\n"
            "query_filter = (objectClass=*)\nresult_attribute = maildrop\n"
        )


def _fill(execute: Callable[[str], object], *before: str) -> None:
    for statement in (*before, "CREATE TABLE t (k VARCHAR(200) PRIMARY KEY, v VARCHAR(200))"):
        execute(statement)
    rows = ",".join([f"('u{at}@example.com','box{at}@backend.example')" for at in range(ROWS)])
    execute(f"INSERT INTO t VALUES {rows}")


async def rate(table: LocalTable, at_once: int) -> float:
    """Lookups a second with so many under way."""
    done = 0
    end = time.perf_counter() + SECONDS

    async def ask() -> None:
        nonlocal done
        while time.perf_counter() < end:
            value = await table.lookup(f"u{done % ROWS}@example.com")
            assert value is not None
            done += 1

    await ask_once(table)
    await asyncio.gather(*[ask() for _ in range(at_once)])
    return done / SECONDS


async def ask_once(table: LocalTable) -> None:
    """Connections are made before the clock starts."""
    await asyncio.gather(*[table.lookup("u1@example.com") for _ in range(8)])


def mail_rate(mail: Instance, name: str, at_once: int) -> str:
    """Lookups a second, and the CPU microseconds of one: here and in the mail system."""
    table = open_or_fail(name, config_dir=str(mail.conf))
    cpu, here = mail.cpu_seconds(), time.process_time()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        found = runner.run(rate(table, at_once))
    lookups = found * SECONDS / 1e6
    return (
        f"{found:.0f}/s ({(time.process_time() - here) / lookups:.0f} us here,"
        f" {(mail.cpu_seconds() - cpu) / lookups:.0f} us in proxymap)"
    )


def real_rate(mail: Instance, name: str, at_once: int) -> str:
    """The same of real Postfix, whose programs ask one thing at a time."""
    command = [mail.kind.command("postmap"), "-c", str(mail.conf), "-q", "-", name]
    keys = "".join([f"u{at % ROWS}@example.com\n" for at in range(KEYS)]).encode()
    subprocess.run(command, input=b"u1@example.com\n", check=True, stdout=subprocess.DEVNULL)
    cpu, start = mail.cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        run = partial(subprocess.run, command, input=keys, check=True, capture_output=True)
        asked = [pool.submit(run) for _ in range(at_once)]
        assert all(answer.stdout.count(b"\n") == KEYS for answer in [done.result() for done in asked])
    lookups = at_once * KEYS
    seconds = time.perf_counter() - start
    return f"{lookups / seconds:.0f}/s ({(mail.cpu_seconds() - cpu) / lookups * 1e6:.0f} us in proxymap)"


def measure(kind: str, parameters: str, program: Kind) -> None:
    spec = f"proxy:{kind}:"
    with Instance(program, {"proxy_read_maps": f"{spec}{{top}}/conf/{kind}.cf"}) as mail:
        (mail.conf / f"{kind}.cf").write_text(parameters)
        mail.start()
        name = f"{spec}{mail.conf}/{kind}.cf"
        found = []
        for at_once in (1, 8):
            if program is PYFIX:
                found.append(f"{at_once} at once {mail_rate(mail, name, at_once)}")
            else:
                found.append(f"{at_once} at once {real_rate(mail, name, at_once)}")
        print(f"{spec} {', '.join(found)}", flush=True)


def main() -> None:
    kinds = {"mysql": mysql, "pgsql": pgsql, "ldap": ldap}
    program = real_postfix() if "--postfix" in sys.argv else PYFIX
    if program is None:
        sys.exit("real Postfix is not installed, or we are not root")
    for kind in [word for word in sys.argv[1:] if word != "--postfix"] or kinds:
        with kinds[kind]() as parameters:
            measure(kind, parameters, program)


if __name__ == "__main__":
    main()
