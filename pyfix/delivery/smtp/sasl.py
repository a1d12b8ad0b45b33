"""sasl - log in to servers, where there is a password for them

    server offers | password | what is done
    --------------|----------|---------------------------------------------------
    no AUTH       |          | mail is sent without
    AUTH          | none     | mail is sent without
    AUTH          | found    | log in; where that can't be done the mail waits (or returns to its sender, where the
                  |          | server refuses for good and smtp_sasl_auth_soft_bounce is off)

smtp_sasl_password_maps is searched by sender (with smtp_sender_dependent_authentication), then by the server's name,
then by the destination.

Parameters: smtp_sasl_auth_enable, smtp_sasl_password_maps, smtp_sasl_password_result_delimiter, smtp_sasl_type,
smtp_sasl_mechanism_filter, smtp_sasl_security_options, smtp_sasl_auth_soft_bounce, send_cyrus_sasl_authzid,
smtp_sender_dependent_authentication, recipient_delimiter.
Sources: SASL_README, RFC 4954.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from pyfix.clients.deliver import Dsn
from pyfix.delivery.smtp import log
from pyfix.delivery.smtp.sasl_auth_cache import Failure
from pyfix.mail.address import Extensions, split_address
from pyfix.mail.dsn import with_class
from pyfix.mail.error import MailError
from pyfix.maps.addresses import find_address
from pyfix.sasl import client as sasl
from pyfix.sasl.login import Login, LoginError
from pyfix.unix import msg
from pyfix.wire.smtp_client import Challenge, Event, Ready

if TYPE_CHECKING:
    from pyfix.config.params.smtp import SmtpParams
    from pyfix.delivery.smtp.sasl_auth_cache import SaslAuthCache
    from pyfix.delivery.smtp.session import Session
    from pyfix.maps.maps import Maps
    from pyfix.maps.match import StringMatch
    from pyfix.wire.smtp_answer import Answer

LINE_LIMIT = 512  # bytes of a command with its CRLF, RFC 5321 section 4.5.3.1.4
LOGIN_REFUSED = 535
BEFORE_CHALLENGE = re.compile(r"[- \t\n]*[^- \t\n]*[- \t\n]?")


class NotLoggedInError(Exception):
    """why: what that means to mail."""

    def __init__(self, why: Dsn) -> None:
        super().__init__(why.reason)
        self.why = why


class Password(NamedTuple):
    """A line of the table."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Password({self.user!r})"


class Passwords:
    """smtp_sasl_password_maps.

    between: the character between user and password; by_sender: search by sender first; extensions: how they are
    split off; is_local: whether a domain takes bare names as keys.
    """

    def __init__(
        self,
        maps: Maps,
        *,
        between: str,
        by_sender: bool,
        extensions: Extensions,
        is_local: Callable[[str], Awaitable[bool]],
    ) -> None:
        self.maps = maps
        self._between = between
        self._by_sender = by_sender
        self._extensions = extensions
        self._is_local = is_local

    async def find(self, sender: str, host: str, destination: str) -> Password | None:
        """The password for a server. TableError: can't be told."""
        text = await self._of_sender(sender) if self._by_sender and sender else None
        if text is None:
            text = await self.maps.find(host)
        if text is None:
            text = await self.maps.find(destination)
        if text is None:
            return None
        user, _, password = text.partition(self._between)
        return Password(user, password)

    async def _of_sender(self, sender: str) -> str | None:
        domain = split_address(sender)[1]
        local = domain is not None and await self._is_local(domain)
        found = await find_address(self.maps, sender, extensions=self._extensions, local=local)
        return None if found is None else found[0]


class Sasl:
    """How this program logs in. program: "smtp", "lmtp"; authzid: tell the user's name twice where that can be."""

    def __init__(
        self,
        cfg: SmtpParams,
        passwords: Passwords,
        mechanisms: StringMatch,
        *,
        program: str,
        authzid: bool,
        cache: SaslAuthCache | None = None,
    ) -> None:
        self._passwords = passwords
        self._mechanisms = mechanisms
        self._program = program
        self._authzid = authzid
        self._cache = cache
        self._soft = cfg.smtp_sasl_auth_soft_bounce
        self._wanted = wanted(cfg.smtp_sasl_security_options)
        if cfg.smtp_sasl_type not in sasl.TYPES:
            msg.warning(log.unknown_sasl_type(cfg.smtp_sasl_type))
            msg.fatal(log.NO_SASL)

    async def log_in(self, session: Session, sender: str) -> None:
        """Log in, if there is a password for that server. NotLoggedInError, Lost, Silent."""
        if not session.client.auth:
            return
        try:
            offered = await self._offered(session)
            found = await self._password(session, sender)
        except MailError:
            raise NotLoggedInError(Dsn("4.3.0", log.local_error(session.server))) from None
        if found is None:
            return
        if not offered:
            raise NotLoggedInError(Dsn("4.7.0", log.no_compatible_mechanism(session.server)))
        session.hidden.add(found.password)
        session.hidden.add(b64encode(_bytes(found.password)).decode())
        try:
            await self._talk(session, offered, found)
        finally:
            session.hidden.clear()
        session.authenticated = True

    async def _password(self, session: Session, sender: str) -> Password | None:
        try:
            return await self._passwords.find(sender, session.server.host, session.key.destination)
        except MailError:
            msg.warning(log.password_lookup_error(session.queue_id, self._passwords.maps.name))
            raise

    async def _offered(self, session: Session) -> str:
        """The mechanisms that the server offers and we may use."""
        found = ""
        for words in session.client.auth:
            chosen = await self._allowed(words)
            if found and chosen and found.lower() != chosen.lower():
                found = f"{found} {chosen}"
            elif chosen:
                found = found or chosen
            elif not found:
                msg.warning(log.no_mechanism(session.server, words))
        return found

    async def _allowed(self, words: str) -> str:
        if not self._mechanisms:
            return words
        return " ".join([word for word in words.split() if await self._mechanisms.matches(word)])

    async def _talk(self, session: Session, offered: str, found: Password) -> None:
        user, password = _bytes(found.user), _bytes(found.password)
        if self._cache is not None:
            known = await self._cache.find(session.server.host, found.user, password)
            if known is not None:
                raise NotLoggedInError(self._refused(session, known, cached=True))
        login = Login(user, password, self._program, session.server.host, self._authzid)
        answer = await self._dialog(session, offered, login)
        if answer is None:
            return
        failure = Failure(answer.status or "5.5.0", session.hidden.text(answer.text))
        if self._cache is not None and answer.code == LOGIN_REFUSED:
            await self._cache.store(session.server.host, found.user, password, failure)
        raise NotLoggedInError(self._refused(session, failure))

    async def _dialog(self, session: Session, offered: str, login: Login) -> Answer | None:
        """The server's refusal; None: we are in."""
        try:
            exchange = sasl.begin(offered, login, self._wanted)
            event = await _first(session, exchange)
            while isinstance(event, Challenge):
                event = await _say(session, exchange.answer(challenge(event.answer)))
        except LoginError as error:
            if error.log:
                msg.warning(error.log)
            reason = log.can_not_log_in(session.server, str(error))
            raise NotLoggedInError(Dsn("4.7.0", reason, diag_type="x-sasl", diag_text=str(error))) from None
        return None if isinstance(event, Ready) else event.answer

    def _refused(self, session: Session, failure: Failure, *, cached: bool = False) -> Dsn:
        soft = self._soft and (failure.status[:1] == "5" and (cached or failure.text[:1] == "5"))
        server, text = session.server, failure.text.replace("\n", "?")
        say = log.login_refused_before if cached else log.login_refused
        return Dsn(
            with_class(failure.status, "4") if soft else failure.status,
            say(server, text),
            diag_type=self._program,
            diag_text=text,
            mta_type="dns",
            mta_mname=server.host,
        )


async def _first(session: Session, exchange: sasl.Exchange) -> Event:
    """AUTH. A response that makes the line too long has to wait until it is asked for."""
    name, response = exchange.mechanism, exchange.first
    if len(f"AUTH {name} {response}\r\n") <= LINE_LIMIT:
        return await _begin(session, name, response)
    event = await _begin(session, name, "")
    if not isinstance(event, Challenge):
        return event
    if words := challenge(event.answer):
        reason = log.unexpected_challenge(session.server, name, words)
        raise NotLoggedInError(Dsn("4.7.0", reason, diag_type="x-sasl", diag_text=words))
    return await _say(session, response)


async def _begin(session: Session, name: str, response: str) -> Event:
    session.hidden.add(response)
    session.client.authenticate(name, response)
    return await session.next()


async def _say(session: Session, response: str) -> Event:
    session.hidden.add(response)
    session.client.respond(response)
    return await session.next()


def challenge(answer: Answer) -> str:
    """What follows the code."""
    match = BEFORE_CHALLENGE.match(answer.text)
    assert match is not None
    return answer.text[match.end() :]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def wanted(options: str) -> frozenset[str]:
    """What smtp_sasl_security_options asks for. Ends the program where that is not known."""
    try:
        return sasl.properties(options)
    except ValueError as error:
        msg.warning(log.unknown_sasl_option(str(error), options))
        msg.fatal(log.BAD_SASL_OPTIONS)
