"""Real servers for the tests of tables: on loopback, with data of their own, stopped by their pid."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.ports import free_port


def program(name: str, *places: str) -> str:
    """A program's path; the test is skipped where it is not installed."""
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", *places]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def unprivileged(name: str) -> str | None:
    """The user that a server runs as when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        return "nobody"


@contextmanager
def directory(user: str | None = None) -> Iterator[Path]:
    """A directory with a short name (sockets live there), which the user owns."""
    path = Path(tempfile.mkdtemp(prefix="pyfix-", dir="/tmp"))
    path.chmod(0o755)
    if user is not None:
        os.chown(path, pwd.getpwnam(user).pw_uid, -1)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(
    command: list[str],
    ready: Callable[[], object],
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """A server, from when it answers until the end. ready: raises as long as it does not; environment: more of it."""
    log = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=user, env={**os.environ, **(environment or {})}
    )
    try:
        end = time.monotonic() + 40
        while True:
            try:
                ready()
                break
            except Exception:
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    pytest.fail(f"{command[0]} does not start: {log.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        log.close()


def connectable(port: int) -> Callable[[], None]:
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close()


@contextmanager
def mariadb() -> Iterator[tuple[int, Path]]:
    """Port and socket of a MariaDB server; root of its own needs no password."""
    server = program("mariadbd")
    install = program("mariadb-install-db")
    user = unprivileged("mysql")
    with directory(user) as top:
        data, sock, port = top / "data", top / "sock", free_port()
        certificate(top, user)
        done = subprocess.run(
            [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
             "--skip-test-db", "--skip-name-resolve"],
            check=False, capture_output=True, user=user,
        )  # fmt: skip
        if done.returncode:
            pytest.fail(f"{install}: {(done.stdout + done.stderr).decode(errors='replace')[-2000:]}")
        command = [
            server, "--no-defaults", f"--datadir={data}", f"--socket={sock}", f"--port={port}",
            "--bind-address=127.0.0.1", f"--pid-file={top}/pid", "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=8M",
            f"--ssl-cert={top}/cert.pem", f"--ssl-key={top}/key.pem", f"--ssl-ca={top}/cert.pem",
        ]  # fmt: skip
        with running(command, connectable(port), user):
            yield port, sock


@contextmanager
def postgresql() -> Iterator[tuple[int, Path]]:
    """Port and socket directory of a PostgreSQL server; user postgres of its own needs no password."""
    places = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
    initdb, server = program("initdb", *places), program("postgres", *places)
    user = unprivileged("postgres")
    with directory(user) as top:
        data, port = top / "data", free_port()
        subprocess.run(
            [initdb, "-D", str(data), "-U", "postgres", "-A", "trust", "-N", "--no-locale", "-E", "UTF8"],
            check=True, capture_output=True, user=user, cwd=top,
        )  # fmt: skip
        command = [server, "-D", str(data), "-p", str(port), "-k", str(top), "-c", "listen_addresses=127.0.0.1",
                   "-c", "fsync=off"]  # fmt: skip
        asked = [program("pg_isready", *places), "-h", "127.0.0.1", "-p", str(port)]
        with running(command, lambda: subprocess.run(asked, check=True, capture_output=True), user):
            yield port, top


@contextmanager
def memcached() -> Iterator[int]:
    """Port of a memcached."""
    server, port = program("memcached"), free_port()
    command = [server, "-l", "127.0.0.1", "-p", str(port), "-m", "4", "-U", "0", "-u", unprivileged("memcache") or ""]
    with running(command, connectable(port)):
        yield port


@contextmanager
def redis() -> Iterator[int]:
    """Port of a Redis."""
    server, port = program("redis-server"), free_port()
    with directory() as top:
        command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(top)]
        with running(command, connectable(port)):
            yield port


def certificate(top: Path, user: str | None) -> None:
    """cert.pem for 127.0.0.1, signed by itself, and key.pem."""
    subprocess.run(
        [program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "3650", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(top / "key.pem"), "-out", str(top / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    if user is not None:
        shutil.chown(top / "key.pem", user)


def certificate_name(path: Path) -> str:
    """What a certificate is called in a directory of authorities, without the number."""
    command = [program("openssl"), "x509", "-hash", "-noout", "-in", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


SLAPD_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
attributetype ( 1.1.2.1.1 NAME 'maildrop' SUP mail )
attributetype ( 1.1.2.1.2 NAME 'mailacceptinggeneralid' SUP mail )
attributetype ( 1.1.2.1.3 NAME 'memberdn' SUP distinguishedName )
attributetype ( 1.1.2.1.4 NAME 'memberurl' SUP labeledURI )
attributetype ( 1.1.2.1.5 NAME 'terminal' SUP mail )
objectclass ( 1.1.2.2.1 NAME 'mailthing' SUP top STRUCTURAL MUST cn
    MAY ( mail $ maildrop $ mailacceptinggeneralid $ memberdn $ memberurl $ terminal $ userPassword ) )
sasl-host localhost
sasl-secprops none
authz-regexp "^uid=([^,]*)(,cn=[^,]*)?,cn=[^,]*,cn=auth$" "cn=$1,dc=test"
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {top}/pid
TLSCertificateFile {top}/cert.pem
TLSCertificateKeyFile {top}/key.pem
TLSCACertificateFile {top}/cert.pem
TLSVerifyClient try
database mdb
suffix "dc=test"
rootdn "cn=admin,dc=test"
rootpw secret
directory {top}/data
dbnosync
loglevel none
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""


@contextmanager
def slapd(
    ldif: str, environment: Mapping[str, str] | None = None, *, port: int = 0, tls_port: int = 0
) -> Iterator[tuple[int, Path]]:
    """Port and socket of an OpenLDAP server that has these entries below dc=test; PORT in them is its own.

    tls_port: for ldaps, too.
    """
    server = program("slapd")
    user = unprivileged("openldap")
    with directory(user) as top:
        config, sock, port = top / "slapd.conf", top / "ldapi", port or free_port()
        config.write_text(SLAPD_CONF.format(top=top))
        (top / "ldif").write_text(ldif.replace("PORT", str(port)))
        certificate(top, user)
        (top / "data").mkdir()
        if user is not None:
            shutil.chown(top / "data", user)
        load = [server, "-Ta", "-f", str(config), "-l", str(top / "ldif")]
        subprocess.run(load, check=True, capture_output=True, user=user)
        urls = f"ldap://127.0.0.1:{port} ldapi://{str(sock).replace('/', '%2f')}"
        urls += f" ldaps://127.0.0.1:{tls_port}" if tls_port else ""
        with running([server, "-f", str(config), "-h", urls, "-d", "0"], connectable(port), user, environment):
            yield port, sock
