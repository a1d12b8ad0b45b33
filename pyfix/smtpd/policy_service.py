"""policy_service - restrictions that a server outside decides on (check_policy_service)

    check_policy_service inet:127.0.0.1:10023
    check_policy_service { unix:private/policy, timeout=10s, default_action=DUNNO }

Its answer means what the right-hand side of an access table means. Connections are kept; as
many are open as sessions ask at once. A request that fails is tried again on a new
connection after a pause; then default_action stands in for the answer.

Parameters: smtpd_policy_service_timeout, smtpd_policy_service_max_idle, smtpd_policy_service_max_ttl,
smtpd_policy_service_default_action, smtpd_policy_service_policy_context,
smtpd_policy_service_request_limit, smtpd_policy_service_retry_delay, smtpd_policy_service_try_limit.
Sources: SMTPD_POLICY_README.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from typing import NamedTuple

from pyfix.config.param import parse_time
from pyfix.maps.braces import BraceError, content, split
from pyfix.smtpd import log
from pyfix.smtpd.actions import Actions, Found
from pyfix.smtpd.restrictions import BadArgument, Check, Lists, Verdict
from pyfix.unix import msg
from pyfix.wire import policy
from pyfix.wire.policy import BadAnswer

QUIET = frozenset({0, errno.EPIPE, errno.ENOENT, errno.ECONNRESET})  # not worth a warning the first time
NO_ERROR = "Application error"
TIMES = frozenset({"timeout", "max_idle", "max_ttl", "retry_delay"})
NUMBERS = frozenset({"request_limit", "try_limit"})
TEXTS = frozenset({"default_action", "policy_context"})


class Options(NamedTuple):
    """How a server is asked: seconds, counts (0: no limit), texts."""

    timeout: float
    max_idle: float
    max_ttl: float
    request_limit: int
    retry_delay: float
    try_limit: int
    default_action: str
    policy_context: str


class Connection(NamedTuple):
    """An open connection. opened, used: loop time; requests: how many it has had."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    opened: float
    used: float
    requests: int


class PolicyService:
    """One server. endpoint: as logs show it."""

    def __init__(self, lists: Lists, spec: str) -> None:
        """BadArgument when the words in braces, or the endpoint, can't be understood."""
        where, options = _parse(lists, spec)
        self.options = options
        self._kind, _, self.endpoint = where.partition(":")
        if self._kind not in {"inet", "unix"} or not self.endpoint:
            raise BadArgument(f'need service transport:endpoint instead of "{where}"')
        self._spec = where
        self._actions: Actions = lists.once("actions", lambda: Actions(lists))
        self._idle: list[Connection] = []
        self._version = lists.site.main.value("mail_version")
        self._level = lists.site.main.value("compatibility_level")

    async def decide(self, check: Check) -> Verdict:
        """What the server says about this request."""
        answer = await self._ask(policy.request(self._attributes(check)))
        value = self.options.default_action if answer is None else answer
        action, argument = self._actions.of(value)
        found = Found(self._spec, "policy query", value, check.stage, check.name)
        return await action(check, found, argument)

    def close(self) -> None:
        """Give up the connections that nobody uses."""
        while self._idle:
            self._idle.pop().writer.close()

    async def _ask(self, request: bytes) -> str | None:
        """The action; None when there is none to be had."""
        tries = 0
        while True:
            try:
                return await asyncio.get_running_loop().create_task(self._in_time(request))
            except (OSError, TimeoutError, BadAnswer, EOFError) as error:
                tries += 1
                number, text = _reason(error)
                if isinstance(error, BadAnswer):
                    msg.warning(log.policy_answer(str(error), self.endpoint))
                if tries > 1 or tries >= self.options.try_limit or number not in QUIET:
                    msg.warning(log.policy_trouble(self.endpoint, text))
            if tries >= self.options.try_limit:
                return None
            await asyncio.sleep(self.options.retry_delay)

    async def _in_time(self, request: bytes) -> str:
        """In a task of its own: the session's code may run in none."""
        async with asyncio.timeout(self.options.timeout):
            return await self._exchange(request)

    async def _exchange(self, request: bytes) -> str:
        connection = await self._connected()
        try:
            connection.writer.write(request)
            answer = policy.Answer()
            action: str | None = None
            while action is None:
                data = await connection.reader.read(65536)
                if not data:
                    raise EOFError
                action = answer.receive(data)
        except BaseException:
            connection.writer.close()
            raise
        self._keep(connection)
        return action

    async def _connected(self) -> Connection:
        now = asyncio.get_running_loop().time()
        while self._idle:
            kept = self._idle.pop()
            if now - kept.used <= self.options.max_idle and not kept.reader.at_eof():
                return kept
            kept.writer.close()
        try:
            reader, writer = await self._connect()
        except OSError as error:
            msg.warning(log.policy_connect(self.endpoint, _reason(error)[1]))
            raise
        return Connection(reader, writer, now, now, 0)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._kind == "unix":
            return await asyncio.open_unix_connection(self.endpoint)
        host, _, port = self.endpoint.rpartition(":")
        return await asyncio.open_connection(host.strip("[]") or "localhost", port)

    def _keep(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        requests = connection.requests + 1
        limit = self.options.request_limit
        if now - connection.opened > self.options.max_ttl or (limit and requests >= limit):
            connection.writer.close()
        else:
            self._idle.append(connection._replace(used=now, requests=requests))

    def _attributes(self, check: Check) -> Iterator[tuple[str, str]]:
        """In the order that servers know."""
        peer, about = check.peer, check.envelope()
        at_end = check.where in {"DATA", "BDAT", "END-OF-MESSAGE"}
        yield "request", "smtpd_access_policy"
        yield "protocol_state", "DATA" if check.where == "BDAT" else check.where
        yield "protocol_name", about.protocol
        yield "client_address", peer.address
        yield "client_name", peer.name
        yield "client_port", peer.port
        yield "reverse_client_name", peer.names.reverse_name
        yield "server_address", peer.server_address
        yield "server_port", peer.server_port
        yield "helo_name", check.helo or ""
        yield "sender", check.sender or ""
        yield "recipient", check.recipient or ""
        yield "recipient_count", str(check.recipients if at_end else 0)
        yield "queue_id", about.queue_id
        yield "instance", about.instance
        yield "size", str(about.size)
        yield "etrn_domain", check.domain or ""
        yield "stress", check.site.cfg.stress
        yield "sasl_method", ""
        yield "sasl_username", ""
        yield "sasl_sender", about.sasl_sender
        for name in NOT_YET:
            yield name, ""
        yield "encryption_keysize", "0"
        yield "policy_context", self.options.policy_context
        yield "compatibility_level", self._level
        yield "mail_version", self._version


NOT_YET = (  # nobody authenticates or encrypts so far
    *("ccert_subject", "ccert_issuer", "ccert_fingerprint"),
    *("ccert_pubkey_fingerprint", "encryption_protocol", "encryption_cipher"),
)


def policy_service(lists: Lists, word: str, spec: str) -> PolicyService:
    """The server behind a word. BadArgument when there is none."""
    if not spec:
        raise BadArgument(log.needs_server(word))
    service: PolicyService = lists.once(f"policy {spec}", lambda: PolicyService(lists, spec))
    return service


async def check_policy_service(check: Check, service: PolicyService) -> Verdict:
    """A server outside decides."""
    return await service.decide(check)


def _reason(error: Exception) -> tuple[int, str]:
    """The error's number (0: the system has none for it), and its words."""
    if isinstance(error, TimeoutError) and not error.errno:
        return errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)
    number = error.errno if isinstance(error, OSError) and error.errno and error.errno > 0 else 0
    return number, os.strerror(number) if number else NO_ERROR


def _parse(lists: Lists, spec: str) -> tuple[str, Options]:
    """The endpoint, and the options as main.cf and the words in braces have them."""
    cfg = lists.site.cfg
    values: dict[str, float | int | str] = {
        name: getattr(cfg, f"smtpd_policy_service_{name}") for name in Options._fields
    }
    if not spec.startswith("{"):
        return spec, Options(**values)  # type: ignore[arg-type]  # values were parsed by kind
    try:
        where, *words = split(content(spec))
    except (BraceError, ValueError):
        raise BadArgument(f'malformed option: "{spec}"') from None
    for word in words:
        name, value = _option(word)
        values[name] = value
    return where, Options(**values)  # type: ignore[arg-type]  # values were parsed by kind


def _option(word: str) -> tuple[str, float | int | str]:
    inner = content(word) if word.startswith("{") else word
    name, equals, value = (part.strip() for part in inner.partition("="))
    if not equals or not name:
        raise BadArgument(f"malformed option: missing '=' after attribute name: \"{inner}\"")
    if name in TIMES:
        seconds = parse_time(value, "s")
        if seconds is None:
            raise BadArgument(f"parameter {name}: bad time value or unit: {value}")
        return name, seconds
    if name in NUMBERS:
        if not value.isdecimal():
            raise BadArgument(f"bad numerical configuration: {name} = {value}")
        return name, int(value)
    if name not in TEXTS:
        raise BadArgument(f'unknown option: "{name} = {value}"')
    return name, value
