"""ldap - lookup table in an LDAP directory

ldap:/file/of/parameters. The entries that query_filter finds give the values of:

    result_attribute            every entry
    leaf_result_attribute       entries that have no special attribute
    special_result_attribute    names (DNs) and LDAP URLs of more entries, which are read in turn
    terminal_result_attribute   an entry that has one gives nothing else

Servers are tried in the order given, as `ldap://host:port`, `ldaps://host`, `ldapi://%2fpath`
or `host:port`. Needs no package: the protocol is pyfix.wire.ldap.

Sources: ldap_table(5).
"""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from itertools import chain
from typing import ClassVar
from urllib.parse import unquote

from pyfix.config.param import Bool, Int, Str
from pyfix.maps import auto_clnt
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.db_common import Answers, DbParams, Template
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import OpenError, Options
from pyfix.unix import msg
from pyfix.wire import ldap
from pyfix.wire.ldap import Done, Entry, Reference

ANY = "(objectClass=*)"
EXTERNAL, PLAIN = "EXTERNAL", "PLAIN"
BINDS = {"yes": "simple", "simple": "simple", "no": "none", "none": "none", "sasl": "sasl"}


class LdapParams(DbParams):
    """The parameters of a table."""

    server_host = Str("localhost")
    server_port = Int("389", min=1, max=65535)
    search_base = Str("")
    query_filter = Str("mailacceptinggeneralid=%s", min=1)
    result_attribute = Str("maildrop")
    special_result_attribute = Str("")
    terminal_result_attribute = Str("")
    leaf_result_attribute = Str("")
    scope = Str("sub")
    bind = Str("yes")
    bind_dn = Str("")
    bind_pw = Str("")
    timeout = Int("10", min=1)
    dereference = Int("0", max=3)
    chase_referrals = Bool("no")
    size_limit = Int("0")
    recursion_limit = Int("1000", min=1)
    version = Int("3", min=2, max=3)
    start_tls = Bool("no")
    tls_ca_cert_file = Str("")
    tls_ca_cert_dir = Str("")
    tls_cert = Str("")
    tls_key = Str("")
    tls_require_cert = Bool("no")
    tls_cipher_suite = Str("")
    sasl_mechs = Str("")
    sasl_authz_id = Str("")


Found = list[Entry]


class Directory:
    """A connection to one server, bound."""

    def __init__(self, cfg: LdapParams, where: str, tls: ssl.SSLContext, *, anonymous: bool = False) -> None:
        """where: URL, or host and port. OSError, LdapError: no connection, or it may not bind."""
        self._cfg = cfg
        self._conversation = ldap.Conversation()
        scheme, _, host = where.rpartition("://")
        host = host.rstrip("/")
        if scheme == "ldapi":
            self._stream = auto_clnt.connect(f"unix:{unquote(host) or '/run/slapd/ldapi'}", timeout=cfg.timeout)
        else:
            port = 636 if scheme == "ldaps" else cfg.server_port
            self._stream = auto_clnt.connect(host, timeout=cfg.timeout, port=port)
        try:
            self._begin(scheme, auto_clnt.split_host(host, 0)[0], tls, "none" if anonymous else BINDS[cfg.bind])
        except BaseException:
            self._stream.close()
            raise

    def _begin(self, scheme: str, host: str, tls: ssl.SSLContext, bind: str) -> None:
        cfg, conversation = self._cfg, self._conversation
        if scheme == "ldaps":
            self._stream.start_tls(tls, host)
        elif cfg.start_tls:
            self._checked(conversation.start_tls(), "STARTTLS")
            self._stream.start_tls(tls, host)
        if bind == "simple":
            self._checked(conversation.bind(cfg.version, cfg.bind_dn, cfg.bind_pw), "bind")
        elif bind == "sasl":
            mechanism = cfg.sasl_mechs.upper()
            credentials = "" if mechanism == EXTERNAL else f"\0{cfg.bind_dn}\0{cfg.bind_pw}"
            data = (cfg.sasl_authz_id + credentials).encode()
            self._checked(conversation.bind_sasl(mechanism, data), "SASL bind")

    def search(self, base: str, scope: str, filter: str, attributes: list[str]) -> tuple[Found, list[str], Done]:  # noqa: A002 - LDAP's word
        """What is found: entries, URLs of other servers, the result."""
        request = self._conversation.search(
            base,
            scope,
            filter,
            attributes,
            dereference=self._cfg.dereference,
            size_limit=self._cfg.size_limit or self._cfg.expansion_limit,
            time_limit=self._cfg.timeout,
        )
        entries: Found = []
        urls: list[str] = []
        for answer in self._ask(request):
            if isinstance(answer, Entry):
                entries.append(answer)
            elif isinstance(answer, Reference):
                urls += answer.urls
            else:
                return entries, urls, answer
        raise ldap.LdapError("answer without end")

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._stream.send(self._conversation.unbind())
        self._stream.close()

    def _checked(self, request: bytes, action: str) -> None:
        for answer in self._ask(request):
            if isinstance(answer, Done) and answer.code != ldap.SUCCESS:
                raise ldap.LdapError(f"{action} failed with error {answer.code}: {answer.text}")

    def _ask(self, request: bytes) -> Iterator[Entry | Reference | Done]:
        """Everything up to the end of the answer."""
        number = self._conversation.number
        self._stream.send(request)
        while True:
            for answer in self._conversation.receive(self._stream.some()):
                if answer.number == number:
                    yield answer
                    if isinstance(answer, Done):
                        return


class LdapTable:
    """ldap:name."""

    fixed = True
    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, cfg: LdapParams, name: str) -> None:
        """OpenError: what the parameters say can't be done."""
        self._cfg = cfg
        self._answers = Answers(cfg, "ldap", name)
        table = self._answers.name
        self._filter = Template(cfg.query_filter, name="query_filter", table=table)
        self._base = Template(cfg.search_base, name="search_base", table=table)
        self._plain = _names(cfg.result_attribute)
        self._special = _names(cfg.special_result_attribute)
        self._terminal = _names(cfg.terminal_result_attribute)
        self._leaf = _names(cfg.leaf_result_attribute)
        self._attributes = [*self._plain, *self._special, *self._terminal, *self._leaf]
        _check(cfg, table)
        tls = auto_clnt.tls_context(
            table,
            ca_file=cfg.tls_ca_cert_file,
            ca_dir=cfg.tls_ca_cert_dir,
            cert=cfg.tls_cert,
            key=cfg.tls_key,
            ciphers=cfg.tls_cipher_suite,
            verify=cfg.tls_require_cert,
        )
        self._connect: Callable[[str], Directory] = lambda where: Directory(cfg, where, tls)
        self._connect_anonymously: Callable[[str], Directory] = lambda where: Directory(
            cfg, where, tls, anonymous=True
        )
        hosts = cfg.server_host.replace(",", " ").split() or ["localhost"]
        self._servers = Servers("LDAP", hosts, self._connect, shuffle=False)

    def lookup(self, key: str) -> str | None:
        """The values of all entries; TableError when no server can be asked."""
        if not self._answers.wants(key):
            return None
        query = self._filter.expand(key, quote=ldap.quote_filter)
        base = self._base.expand(key, quote=ldap.quote_dn)
        if query is None or base is None:
            return None
        values = self._servers.ask(
            lambda server: list(self._values(server, self._found(server, base, self._cfg.scope, query), key)),
            table=self._answers.name,
        )
        return self._answers.joined(key, values)

    def _found(self, server: Directory, base: str, scope: str, filter: str) -> Found:  # noqa: A002 - LDAP's word
        """Entries, those of other servers too if they are to be asked."""
        entries, urls, done = server.search(base, scope, filter, self._attributes)
        if done.code == ldap.NO_SUCH_OBJECT:
            msg.warning(f"{self._answers.name}: Search base '{base}' not found: {done.text}")
        elif done.code not in (ldap.SUCCESS, ldap.REFERRAL):
            raise WrongQuestionError(f"Search error {done.code}: {done.text}".removesuffix(": "))
        for url in urls if self._cfg.chase_referrals else ():
            entries += self._elsewhere(url, base, scope, filter)
        return entries

    def _elsewhere(self, text: str, base: str, scope: str, filter: str) -> Found:  # noqa: A002 - LDAP's word
        url = ldap.parse_url(text)
        if url is None or not url.host:
            raise WrongQuestionError(f"bad referral: {text}")
        other = self._connect_anonymously(url.host)
        try:
            return other.search(url.base or base, scope, filter, self._attributes)[0]
        finally:
            other.close()

    def _values(self, server: Directory, entries: Found, key: str) -> Iterator[str]:
        """What the entries give, and those that they name."""
        levels: list[Iterator[Entry]] = [iter(entries)]
        while levels:
            if len(levels) > self._cfg.recursion_limit:
                raise WrongQuestionError(f"Recursion limit exceeded for key '{key}'")
            entry = next(levels[-1], None)
            if entry is None:
                levels.pop()
                continue
            terminal = list(_of(entry, self._terminal))
            if terminal:
                yield from terminal
                continue
            named = list(_of(entry, self._special))
            yield from _of(entry, self._plain)
            if named:
                levels.append(chain.from_iterable(self._named(server, name) for name in named))
            else:
                yield from _of(entry, self._leaf)

    def _named(self, server: Directory, name: str) -> Found:
        """The entries that a special attribute points to."""
        url = ldap.parse_url(name)
        if url is not None:
            return self._found(server, url.base, url.scope, url.filter)
        entries, _, done = server.search(name, "base", ANY, self._attributes)
        if done.code == ldap.NO_SUCH_OBJECT:
            return []  # members that have gone
        if done.code != ldap.SUCCESS:
            raise WrongQuestionError(f"DN lookup error {done.code}: {name}: {done.text}")
        return entries


def open_ldap(options: Options, name: str) -> LdapTable:
    """Read the table's parameters; servers are connected when they are asked. OpenError."""
    return LdapTable(read_params(LdapParams, options, name), name)


def _names(text: str) -> list[str]:
    return text.replace(",", " ").lower().split()


def _of(entry: Entry, names: list[str]) -> Iterator[str]:
    for name in names:
        for value in entry.attributes.get(name, ()):
            yield value.decode("utf-8", "surrogateescape")


def _check(cfg: LdapParams, table: str) -> None:
    """OpenError for what is not a choice."""
    if not cfg.search_base:
        raise OpenError(f"{table}: search_base is missing")
    if cfg.scope not in ldap.SCOPES:
        raise OpenError(f"{table}: unrecognized value {cfg.scope} specified for scope")
    if cfg.bind not in BINDS:
        raise OpenError(f"{table}: bad bind value {cfg.bind}: need yes, no or sasl")
    if cfg.bind == "sasl" and cfg.sasl_mechs.upper() not in (EXTERNAL, PLAIN):
        raise OpenError(f"{table}: sasl_mechs must be {EXTERNAL} or {PLAIN}, not {cfg.sasl_mechs!r}")
