"""smtp - deliver to other hosts by SMTP, and to LMTP servers

Service:    smtp, relay (program smtp); lmtp
Privileges: mail_owner, chroot, network yes
Parameters: smtp_..., lmtp_... (config/params/smtp.py), relayhost, soft_bounce, line_length_limit,
            known_tcp_ports, pyfix_dns_nameservers
Sources:    smtp(8)

One worker serves many deliveries at once; connections are kept for its next ones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from pyfix.clients.cleanup_client import CleanupClient
from pyfix.clients.deliver import Flags, Request
from pyfix.clients.notice import Notices
from pyfix.clients.rewrite_client import RewriteClient
from pyfix.config import networks
from pyfix.config.compatibility import keeps_old_default, using
from pyfix.config.hosts import SEPARATORS
from pyfix.config.params.bounce import BounceParams
from pyfix.config.params.mail import MailParams
from pyfix.config.params.smtp import LmtpParams, SmtpParams
from pyfix.delivery.agent import Delivery
from pyfix.delivery.event_agent import EventAgent
from pyfix.delivery.smtp import connection, log
from pyfix.delivery.smtp.addresses import Finder, Here, Server
from pyfix.delivery.smtp.attempt import Attempt
from pyfix.delivery.smtp.cache import Cache
from pyfix.delivery.smtp.destination import Destination, Ports
from pyfix.delivery.smtp.generic import make_generic
from pyfix.delivery.smtp.notice import Transcript
from pyfix.delivery.smtp.requiretls import Demand, Policy
from pyfix.delivery.smtp.sasl import Passwords, Sasl
from pyfix.delivery.smtp.sasl_auth_cache import SaslAuthCache, table_name
from pyfix.delivery.smtp.session import Key, Session
from pyfix.delivery.smtp.tls_level import Level, Levels
from pyfix.dns.hosts import HostsFile
from pyfix.dns.reply_filter import ReplyFilter
from pyfix.dns.resolver import DnsResolver
from pyfix.maps.addresses import extensions_of
from pyfix.maps.debug_peer import DebugPeers
from pyfix.maps.maps import Maps
from pyfix.maps.match import StringMatch
from pyfix.maps.proxy import ProxyWriter
from pyfix.maps.resolve_local import local_domains
from pyfix.queue.sendopts import REQUIRETLS, TLS_OPTIONAL
from pyfix.server.context import Context
from pyfix.server.stream import Link
from pyfix.unix import msg
from pyfix.wire.ehlo_keywords import discarded
from pyfix.wire.smtp_client import SmtpClient, Stage

PIX_WORKAROUNDS = ("disable_esmtp", "delay_dotcrlf")
CONCURRENCY = 100  # deliveries at once on one connection of qmgr's


class Smtp(EventAgent):
    """Both programs; which one it is, the name of the program says."""

    def __init__(self, context: Context) -> None:
        main = context.main
        mail = MailParams(main)
        self.lmtp = context.program == "lmtp"
        self._old_level = not self.lmtp and keeps_old_default(main, "smtp_tls_security_level")
        self.cfg: SmtpParams = LmtpParams(main) if self.lmtp else SmtpParams(main)
        self.myhostname = mail.myhostname
        self.relayhost = mail.relayhost
        self.soft_bounce = mail.soft_bounce
        self.flags = _flags(context.args)
        self.ports = Ports(mail.known_tcp_ports)
        own = frozenset([*networks.own_addresses(main), *networks.proxy_addresses(main)])
        here = Here(own, networks.protocols(main))
        dns_filter = self._maps(context, "dns_reply_filter", self.cfg.smtp_dns_reply_filter)
        resolver = DnsResolver.from_config(main, ReplyFilter(dns_filter) if dns_filter else None)
        self.finder = Finder(self.cfg, resolver, HostsFile.read(), here, lmtp=self.lmtp)
        self.cache = Cache(self.cfg.smtp_connection_cache_time_limit)
        self._levels = Levels(self.cfg, self._maps(context, "tls_policy_maps", self.cfg.smtp_tls_policy_maps))
        self._requiretls = self._requiretls_policy(context) if BounceParams(main).requiretls_enable else None
        self._discard_maps = self._maps(
            context, "discard_ehlo_keyword_address_maps", self.cfg.smtp_discard_ehlo_keyword_address_maps
        )
        self._pix_maps = self._maps(context, "pix_workaround_maps", self.cfg.smtp_pix_workaround_maps)
        self._reply_filter = self._maps(context, "reply_filter", self.cfg.smtp_reply_filter)
        self._cached_destinations = StringMatch(
            self.cfg.smtp_connection_cache_destinations, name=f"{context.program}_connection_cache_destinations"
        )
        self.generic = make_generic(
            main,
            self._maps(context, "generic_maps", self.cfg.smtp_generic_maps),
            RewriteClient(f"private/{mail.rewrite_service_name}", timeout=mail.ipc_timeout),
        )
        self._by_sender = self.cfg.smtp_sender_dependent_authentication and not self.lmtp
        self.sasl = self._make_sasl(context, mail) if self.cfg.smtp_sasl_auth_enable else None
        self._tasks: set[asyncio.Task[None]] = set()
        self._debug_peers = DebugPeers(mail)
        self._notices = Notices(main)
        self.ipc_timeout = mail.ipc_timeout
        self._cleanup = CleanupClient(f"public/{mail.cleanup_service_name}", timeout=mail.ipc_timeout)
        self._line_limit = mail.line_length_limit
        super().__init__(
            context, self.deliver, concurrency=CONCURRENCY, status_filter=self.cfg.smtp_delivery_status_filter
        )

    def _make_sasl(self, context: Context, mail: MailParams) -> Sasl:
        cfg, program = self.cfg, context.program
        if not cfg.smtp_sasl_password_maps.strip():
            msg.fatal(log.no_password_table(f"{program}_sasl_password_maps"))
        passwords = Passwords(
            self._maps(context, "sasl_password_maps", cfg.smtp_sasl_password_maps, secret=True),
            between=cfg.smtp_sasl_password_result_delimiter,
            by_sender=self._by_sender,
            extensions=extensions_of(mail),
            is_local=local_domains(context.main),
        )
        mechanisms = StringMatch(cfg.smtp_sasl_mechanism_filter, name=f"{program}_sasl_mechanism_filter")
        cache = None
        if cfg.smtp_sasl_auth_cache_name:
            table = ProxyWriter(table_name(cfg.smtp_sasl_auth_cache_name), f"private/{mail.proxywrite_service_name}")
            cache = SaslAuthCache(table, cfg.smtp_sasl_auth_cache_time, cfg.smtp_sasl_auth_cache_name)
        authzid = mail.send_cyrus_sasl_authzid
        return Sasl(cfg, passwords, mechanisms, program=program, authzid=authzid, cache=cache)

    def holds(self) -> bool:
        """Whether a delivery or the end of a connection is under way, or one is kept for the next delivery."""
        return bool(self._tasks or self.cache)

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:
        """One request, a task of its own: there is always something to wait for."""
        self._start(self._answer(link, stream, attrs, body))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def start(self) -> None:
        """Say when there is no TLS only because of an old compatibility_level."""
        if self._old_level:
            msg.info(using("smtp_tls_security_level=(empty)"))

    async def retire(self) -> None:
        """Let qmgr go elsewhere; end what is kept."""
        await super().retire()
        await self.cache.close()

    def deliver(self, delivery: Delivery) -> Coroutine[Any, Any, None]:
        """Every recipient's outcome."""
        return Attempt(self, delivery).run()

    async def tls_level(self, request: Request) -> Level:
        """How much TLS a destination wants, for such mail. MailError."""
        wants = request.sendopts & (TLS_OPTIONAL | REQUIRETLS)
        return await self._levels.find(request.nexthop, optional=wants == TLS_OPTIONAL)

    def may_return(self, request: Request, level: Level) -> bool:
        """Whether requires_tls() may be in the way even of TLS at this level, which matches no certificates."""
        return level.word == "encrypt" and self._requiretls is not None and request.sendopts & REQUIRETLS > 0

    async def requires_tls(self, where: Destination, request: Request, level: Level) -> Demand | None:
        """What a sender who requires TLS demands of a destination; None: nothing."""
        if self._requiretls is None or not request.sendopts & REQUIRETLS:
            return None
        return await self._requiretls.demand(self.myhostname if where.path else where.host, level)

    def key(self, where: Destination, request: Request) -> Key:
        """For what a connection to a destination can be used again, if it is one that we log in to."""
        if not self.cfg.smtp_sasl_password_maps:
            return Key(where.name)
        return Key(where.name, request.sender if self._by_sender else "", exact=True)

    async def connect(self, server: Server, key: Key, request: Request) -> Session:
        """A new connection, before its greeting. CanNotConnect, MailError."""
        discard, silent = await self._discard(server)
        pix = await self._pix(server, request)
        bind = self.cfg.smtp_bind_address6 if ":" in server.address else self.cfg.smtp_bind_address
        found = await connection.connect(
            server, self.cfg.smtp_connect_timeout, bind, enforce=self.cfg.smtp_bind_address_enforce
        )
        client = SmtpClient(
            self.cfg.smtp_helo_name,
            lmtp=self.lmtp,
            extended=not self.cfg.smtp_never_send_ehlo,
            only_if_offered=not self.cfg.smtp_always_send_ehlo,
            discard=frozenset(discard),
            plain_if_masked="disable_esmtp" in pix,
            line_limit=self._line_limit,
        )
        return Session(
            server,
            found,
            client,
            self.cfg,
            key,
            self._line_limit,
            pix=", ".join(pix),
            discarding=[] if silent else discard,
            dot_delay=self.cfg.smtp_pix_workaround_delay_time if "delay_dotcrlf" in pix else 0,
            replies=self._reply_filter,
            transcript=await self._transcript(server),
        )

    async def _transcript(self, server: Server) -> Transcript | None:
        """Where a new conversation is to be written down, if it is."""
        logged = await self._debug_peers.level(server.address, server.name)
        return Transcript(server if logged else None) if logged or "protocol" in self._notices.wanted else None

    async def _pix(self, server: Server, request: Request) -> list[str]:
        """What is to be done where a firewall masks the greeting."""
        text = await self._pix_maps.find(server.address) if self._pix_maps else None
        words = set(SEPARATORS.split((self.cfg.smtp_pix_workarounds if text is None else text).lower()))
        if time.time() - request.stats.incoming_arrival <= self.cfg.smtp_pix_workaround_threshold_time:
            words.discard("delay_dotcrlf")
        return [word for word in PIX_WORKAROUNDS if word in words]

    async def reuses(self, where: Destination, request: Request) -> tuple[bool, bool]:
        """Whether a kept connection may be used, and whether the connection is wanted after this message."""
        if self._cached_destinations and await self._cached_destinations.matches(where.path or where.host):
            return True, True
        flags = request.flags if self.cfg.smtp_connection_cache_on_demand else 0
        return bool(flags & Flags.CONN_LOAD), bool(flags & Flags.CONN_STORE)

    def may_keep(self, session: Session) -> bool:
        """Whether the connection can be used once more."""
        limit = self.cfg.smtp_connection_reuse_count_limit
        fresh = time.monotonic() < session.until and (not limit or session.reuse_count < limit)
        return fresh and not session.bad

    def release(self, session: Session) -> None:
        """A conversation is over: keep the connection, or end it."""
        client = session.client
        if session.transcript is not None and session.transcript.broken and "protocol" in self._notices.wanted:
            session.bad = True
            self._start(self._end_and_tell(session, session.transcript))
        elif session.bad and client.stage not in {Stage.IDLE, Stage.QUIT, Stage.OVER}:
            session.drop()
        elif client.keep and not session.bad and client.quiet and session.alive:
            self.cache.put(session)
        else:
            self.cache.end(session)

    async def _end_and_tell(self, session: Session, transcript: Transcript) -> None:
        await session.end()
        server = session.server.name_port
        program = "LMTP client" if self.lmtp else "SMTP client"
        await self._notices.send(self._cleanup, program, server, transcript.report(server))

    def sent_action(self, has_dsn: bool) -> str:
        """The action of a success report."""
        if "X" in self.flags or (self.lmtp and not has_dsn and getattr(self.cfg, "lmtp_assume_final", False)):
            return "delivered"
        return "relayed"

    async def _discard(self, server: Server) -> tuple[list[str], bool]:
        """The keywords not to see; whether the log says nothing of it."""
        text = await self._discard_maps.find(server.address) if self._discard_maps else None
        if text is None:
            text = self.cfg.smtp_discard_ehlo_keywords
        return discarded(text)

    def _requiretls_policy(self, context: Context) -> Policy:
        name = "requiretls_policy"
        text, full_name = self.cfg.smtp_requiretls_policy, f"{context.program}_{name}"
        return Policy(text, table=lambda item: self._maps(context, name, item), name=full_name)

    def _maps(self, context: Context, name: str, text: str, *, secret: bool = False) -> Maps:
        prefix = "lmtp" if self.lmtp else "smtp"
        return Maps(text, name=f"{prefix}_{name}", config_dir=context.main.config_dir, secret=secret)


def _flags(args: tuple[str, ...]) -> str:
    """The value of flags= in master.cf."""
    flags = ""
    for word in args:
        name, _, value = word.partition("=")
        if name != "flags" or set(value) - set("DORX"):
            msg.fatal(f"bad option: {word}")
        flags += value
    return flags
