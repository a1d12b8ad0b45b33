"""postfix_tls - `postfix tls`: keys and certificates of the SMTP server, and opportunistic TLS switched on

    postfix tls enable-client [-r randsource]
    postfix tls enable-server [-r randsource] [-a algorithm] [-b bits] [hostname ...]
    postfix tls new-server-key|new-server-cert [-a algorithm] [-b bits] [hostname ...]
    postfix tls deploy-server-cert certfile keyfile
    postfix tls output-server-csr [-k keyfile] [hostname ...]
    postfix tls output-server-tlsa [-h hostname] [keyfile ...]
    postfix tls all-default-client|all-default-server

A setting that somebody made is never changed: where there is one, the enable commands only say what is usual.
Files are made in the configuration directory, the key for its owner only.

Exit status: 0; 1 for an error, or (all-default-...) where something is set.
Sources: postfix-tls(1).
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from pyfix.commands import mail_conf
from pyfix.commands.system import System
from pyfix.config.edit import edit_file
from pyfix.tls import key_file
from pyfix.tls.key_file import KeyFileError
from pyfix.unix import msg
from pyfix.unix.files import write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = (
    "smtp_use_tls", "smtp_enforce_tls", "smtp_tls_enforce_peername", "smtp_tls_security_level",
    "smtp_tls_cert_file", "smtp_tls_dcert_file", "smtp_tls_eccert_file",
)  # fmt: skip
SERVER = (
    "smtpd_use_tls", "smtpd_enforce_tls", "smtpd_tls_security_level",
    "smtpd_tls_cert_file", "smtpd_tls_dcert_file", "smtpd_tls_eccert_file",
)  # fmt: skip
"""Where one of these has a value, somebody has thought about TLS already."""

LEVEL = "may"
LOGLEVEL = "1"
SESSION_CACHE = "lmdb:{data_directory}/smtp_scache"

ALGORITHMS = {"rsa": "", "ecdsa": "ec"}
"""Algorithms of keys, and what their files and parameters have in their names."""
BITS = {"rsa": "2048", "ecdsa": "prime256v1"}

HOSTNAMES = "[hostname ...]"
NEW = f"[-a algorithm] [-b bits ] {HOSTNAMES}"
USAGE = {
    "enable-client": "[-r devrandom]",
    "enable-server": f"[-a algorithm] [-b bits ] [-r devrandom] {HOSTNAMES}",
    "new-server-key": NEW,
    "new-server-cert": NEW,
    "deploy-server-cert": "certfile keyfile",
    "output-server-csr": f"[-k keyfile] {HOSTNAMES}",
    "output-server-tlsa": "[-h hostname] [keyfile ...]",
    "all-default-client": "",
    "all-default-server": "",
}


def main(system: System, arguments: list[str]) -> int:
    """The subcommand that the arguments name; returns the exit status."""
    name, words = (arguments or [""])[0], arguments[1:]
    if name not in COMMANDS:
        msg.error(f"unknown tls command: '{name}'")
        first, *others = COMMANDS
        msg.fatal(f"usage: postfix tls {first} (or {', '.join(others)})")
    letters, most, action = COMMANDS[name]
    try:
        found, operands = mail_conf.options(words, letters)
    except mail_conf.UsageError:
        _usage(name)
    if len(operands) > most:
        _usage(name)
    return action(system, dict(found), operands)


def _usage(name: str) -> NoReturn:
    msg.fatal(f"usage: postfix tls {name} {USAGE[name]}".rstrip())


def _say(*lines: str) -> None:
    for line in lines:
        msg.info(line)


# Is TLS set up already?


def _all_default(system: System, names: Iterable[str]) -> bool:
    return not any(system.main.raw(name) for name in names)


def all_default_client(system: System, _: Mapping[str, str], __: list[str]) -> int:
    """Whether nobody has set up TLS for the SMTP client."""
    return int(not _all_default(system, CLIENT))


def all_default_server(system: System, _: Mapping[str, str], __: list[str]) -> int:
    """Whether nobody has set up TLS for the SMTP server."""
    return int(not _all_default(system, SERVER))


# Switching it on.


def enable_client(system: System, options: Mapping[str, str], _: list[str]) -> int:
    """Let the SMTP client use TLS where servers offer it."""
    cache = SESSION_CACHE.format(data_directory="${data_directory}")
    if not _all_default(system, CLIENT):
        _say("*** Non-default SMTP client TLS settings detected, no changes made.")
        _say_typical("client", "smtp", f"  smtp_tls_session_cache_database = {cache}")
        return 0
    changes = {
        "smtp_tls_security_level": LEVEL,
        "smtp_tls_loglevel": LOGLEVEL,
        "smtp_tls_session_cache_database": system.main.expand(cache),
        "tls_random_source": _random_source(system, options),
    }
    edit_file(f"{system.main.config_dir}/main.cf", changes)
    _say("Enabled opportunistic TLS in the Postfix SMTP client.")
    _say_reload()
    return 0


def enable_server(system: System, options: Mapping[str, str], hostnames: list[str]) -> int:
    """Let the SMTP server offer TLS, with a new key and a certificate that it signs itself."""
    if not _all_default(system, SERVER):
        _say("*** Non-default SMTP server TLS settings detected, no changes made.")
        _say_typical("server", "smtpd")
        _say(
            'You can use "postfix tls new-server-cert" to create a new certificate.',
            'Or, "postfix tls new-server-key" to also force a new private key.',
            "If you publish DANE TLSA records, see:",
            "  https://tools.ietf.org/html/rfc7671#section-8",
            "  https://tools.ietf.org/html/rfc7671#section-5.1",
            "  https://tools.ietf.org/html/rfc7671#section-5.2",
        )
        return 0
    algorithm = options.get("a", "rsa")
    if algorithm not in ALGORITHMS:
        msg.fatal(f"Unsupported private key algorithm: {algorithm}")
    pair = _make(system, options, hostnames)
    settings = {
        "smtpd_tls_security_level": LEVEL,
        "smtpd_tls_loglevel": LOGLEVEL,
        "smtpd_tls_received_header": "yes",
        "tls_random_source": _random_source(system, options),
    }
    edit_file(f"{system.main.config_dir}/main.cf", settings | pair.settings())
    _say("Enabled opportunistic TLS in the Postfix SMTP server", "New TLS private key and certificate deployed.")
    _say_reload()
    _say_request(pair, "")
    _say(
        "To generate TLSA records run:",
        "  # postfix tls output-server-tlsa [-h <hostname>] ",
        "(If you have DANE TLSA RRs, update them as soon as possible to match",
        "the newly deployed keys).",
    )
    return 0


def _random_source(system: System, options: Mapping[str, str]) -> str:
    return options.get("r") or system.main.value("tls_random_source")


def _say_typical(side: str, prefix: str, *more: str) -> None:
    _say(
        f"For opportunistic TLS in the Postfix SMTP {side}, the below settings",
        "are typical:",
        f"  {prefix}_tls_security_level = {LEVEL}",
        f"  {prefix}_tls_loglevel = {LOGLEVEL}",
        *more,
    )


def _say_reload() -> None:
    _say("Run the command:", "  # postfix reload", "if you want the new settings to take effect immediately.")


# Keys and certificates.


class Pair:
    """A key and its certificate: the paths of the two files."""

    def __init__(self, algorithm: str, certificate: str, key: str) -> None:
        self.algorithm = algorithm
        self.certificate = certificate
        self.key = key

    def settings(self) -> dict[str, str]:
        """What main.cf says when the server uses them."""
        return {_key_parameter(self.algorithm): self.key, _certificate_parameter(self.algorithm): self.certificate}


def _key_parameter(algorithm: str) -> str:
    return f"smtpd_tls_{ALGORITHMS[algorithm]}key_file"


def _certificate_parameter(algorithm: str) -> str:
    return f"smtpd_tls_{ALGORITHMS[algorithm]}cert_file"


def new_server_key(system: System, options: Mapping[str, str], hostnames: list[str]) -> int:
    """A new key and certificate, not in use yet."""
    return _say_made(_make(system, options, hostnames), same_key=False)


def new_server_cert(system: System, options: Mapping[str, str], hostnames: list[str]) -> int:
    """A new certificate for the key in use; where there is none, for a new one."""
    old = _key_of(system, options.get("a", "rsa"))
    return _say_made(_make(system, options, hostnames, old), same_key=bool(old))


def _say_made(pair: Pair, *, same_key: bool) -> int:
    _say(
        "New private key and self-signed certificate created. To deploy run:",
        f"  # postfix tls deploy-server-cert {pair.certificate} {pair.key}",
    )
    _say_request(pair, ", and deploy as above")
    _say("To generate TLSA records run:", f"  # postfix tls output-server-tlsa [-h <hostname>] {pair.key}")
    if not same_key:
        _say("(deploy after updating the DNS and waiting for stale RRs to expire).")
    return 0


def _say_request(pair: Pair, then: str) -> None:
    _say(
        "To generate a CSR run:",
        f"  # postfix tls output-server-csr -k {pair.key} [<hostname> ...]",
        f"Save the signed certificate chain in {pair.certificate}{then}.",
    )


def _make(system: System, options: Mapping[str, str], hostnames: list[str], old_key: str = "") -> Pair:
    """Write a certificate and a key: the one in a file, or a new one."""
    algorithm = options.get("a", "rsa")
    if algorithm not in ALGORITHMS:
        msg.fatal(f"Unsupported public key algorithm: {algorithm}")
    bits = options.get("b", BITS[algorithm])
    _need_library()
    if old_key:
        pem = _read(old_key)
    else:
        with _fatal(f"error generating new {algorithm} {bits} private key"):
            pem = key_file.new_key(algorithm, bits)
    now = datetime.now(UTC)
    with _fatal("error generating self-signed SSL certificate"):
        key = key_file.read_key(pem)
        certificate = key_file.self_signed(key, _names(system, hostnames), now)
    folder, kind, when = system.main.config_dir, ALGORITHMS[algorithm], f"{now:%Y%m%d-%H%M%S}"
    pair = Pair(algorithm, f"{folder}/{kind}cert-{when}.pem", f"{folder}/{kind}key-{when}.pem")
    _write(pair.key, pem, 0o600)
    _write(pair.certificate, certificate, 0o644)
    return pair


def _names(system: System, hostnames: list[str]) -> list[str]:
    return hostnames if hostnames and hostnames[0] else [system.cfg.myhostname]


def deploy_server_cert(system: System, _: Mapping[str, str], files: list[str]) -> int:
    """Let the server use a key and its certificate."""
    if len(files) != COMMANDS["deploy-server-cert"][1]:
        _usage("deploy-server-cert")
    certificate, path = (os.path.join(system.main.config_dir, name) for name in files)
    _need_library()
    with _fatal(f"no private key found in file: {path}"):
        key = key_file.read_key(_read(path))
    with _fatal("error computing certificate public key digest"):
        digest = key_file.certificate_digest(_read(certificate))
    if digest != key_file.key_digest(key):
        msg.fatal(f"Certificate in {certificate} does not match key in {path}")
    settings = Pair(key_file.algorithm_of(key), certificate, path).settings()
    edit_file(f"{system.main.config_dir}/main.cf", settings)
    _say("New TLS private key and certificate deployed.")
    _say_reload()
    return 0


def output_server_csr(system: System, options: Mapping[str, str], hostnames: list[str]) -> int:
    """What a certificate authority needs to sign a certificate for a key."""
    path = _key_of(system, options.get("k", "rsa"))
    if not path:
        msg.fatal("No usable keyfile specified or configured")
    _need_library()
    with _fatal(f"no private key found in file: {path}"):
        key = key_file.read_key(_read(path))
    with _fatal("error generating certificate signing request"):
        request = key_file.signing_request(key, _names(system, hostnames))
    sys.stdout.write(request.decode())
    sys.stdout.flush()
    return 0


def output_server_tlsa(system: System, options: Mapping[str, str], names: list[str]) -> int:
    """TLSA records of keys, for the zone of the host."""
    hostname = options.get("h") or system.cfg.myhostname
    paths = [path for name in names or ALGORITHMS if (path := _named(system, name))]
    if not any(map(_is_file, paths)):
        msg.fatal("No usable keyfiles specified or configured")
    for path in paths:
        print(f"; {path}", flush=True)
        _need_library()
        with _fatal(f"no private key found in file: {path}"):
            key = key_file.read_key(_read(path))
        print(f"_25._tcp.{hostname}. IN TLSA 3 1 1 {key_file.key_digest(key)}", flush=True)
    return 0


def _key_of(system: System, name: str) -> str:
    """The path of a key by file name or algorithm; "" where there is no such file."""
    path = _named(system, name)
    return path if _is_file(path) else ""


def _named(system: System, name: str) -> str:
    """The path, be there such a file or not; "" for an algorithm that the server has no key of."""
    if name in ALGORITHMS:
        name = system.main.value(_key_parameter(name))
    return "" if name in {"", "none"} else os.path.join(system.main.config_dir, name)


def _is_file(path: str) -> bool:
    """Whether there is something to read."""
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False


def _need_library() -> None:
    try:
        key_file.have_library()
    except KeyFileError as error:
        msg.fatal(str(error))


@contextmanager
def _fatal(text: str) -> "Iterator[None]":
    """End the command where something fails: a warning says why."""
    try:
        yield
    except (KeyFileError, OSError) as error:
        msg.warning(str(error))
        msg.fatal(text)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, pem: bytes, mode: int) -> None:
    try:
        if os.path.exists(path):
            msg.fatal(f"{path} exists already")
        write_durably(path, pem, mode)
    except OSError as error:
        msg.fatal(f"open {path} for writing: {error.strerror}")


Action = Callable[[System, Mapping[str, str], list[str]], int]
MANY = sys.maxsize
COMMANDS: Mapping[str, tuple[str, int, Action]] = {
    "enable-client": ("r:", 0, enable_client),
    "enable-server": ("a:b:r:", MANY, enable_server),
    "new-server-key": ("a:b:", MANY, new_server_key),
    "new-server-cert": ("a:b:", MANY, new_server_cert),
    "deploy-server-cert": ("", 2, deploy_server_cert),
    "output-server-csr": ("k:", MANY, output_server_csr),
    "output-server-tlsa": ("h:", MANY, output_server_tlsa),
    "all-default-client": ("", 0, all_default_client),
    "all-default-server": ("", 0, all_default_server),
}
"""Options, how many operands there may be, and what is done."""
