"""ldap - lookup table in an LDAP directory

ldap:/file/of/parameters. The entries that query_filter finds give the values of:

    result_attribute            every entry
    leaf_result_attribute       entries that have no special attribute
    special_result_attribute    names (DNs) and LDAP URLs of more entries, which are read in turn
    terminal_result_attribute   an entry that has one gives nothing else

Values come in the order in which the server gives them, those of entries that are named in place of their
names. Servers are tried in the order given, as `ldap://host:port`, `ldaps://host`, `ldapi://%2fpath` or
`host:port`. Needs the extra `ldap` (python-ldap: the same libldap that Postfix uses, with its ldap.conf, TLS,
SASL mechanisms and referrals), which is imported when the first such table is opened.

Sources: ldap_table(5).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from pyfix.maps.cfg_parser import read_params
from pyfix.maps.db_common import Answers, Template
from pyfix.maps.ldap_server import BINDS, Directory, Entry, LdapParams, read_certificates, server_url, tls_options
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import NotNowError, OpenError, Options, missing_extra
from pyfix.unix import jail, msg

ANY = "(objectClass=*)"
IGNORED = ("cache", "cache_expiry", "cache_size")
RETRY = 1  # seconds that a server rests
SCOPES = {"base": 0, "one": 1, "sub": 2}


class Named(NamedTuple):
    """What a special attribute points to: a name (DN) or an LDAP URL."""

    attribute: str
    name: str


class LdapTable:
    """ldap:name."""

    fixed = True
    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, cfg: LdapParams, name: str, driver: Any, parse_url: Callable[[str], Any]) -> None:
        """driver: the package ldap; parse_url: ValueError for what is no LDAP URL. OpenError: bad parameters."""
        self._cfg = cfg
        self._driver = driver
        self._parse_url = parse_url
        old = not cfg.main.raw("result_format")
        self._answers = Answers(cfg, "ldap", name, result_format=cfg.result_filter if old else cfg.result_format)
        table = self._answers.name
        self._filter = Template(cfg.query_filter, name="query_filter", table=table)
        self._base = Template(cfg.search_base, name="search_base", table=table)
        self._plain = _names(cfg.result_attribute)
        self._special = _names(cfg.special_result_attribute)
        self._terminal = _names(cfg.terminal_result_attribute)
        self._leaf = _names(cfg.leaf_result_attribute)
        self._attributes = [*self._terminal, *self._leaf, *self._plain, *self._special]
        _check(cfg, name, self._filter)
        self._scope = SCOPES.get(cfg.scope.lower(), SCOPES["sub"])
        hosts = cfg.server_host.replace(",", " ").split() or ["localhost"]
        if cfg.start_tls or any(host.startswith("ldaps:") for host in hosts):
            read_certificates(driver, tls_options(cfg, driver))
        for host in hosts:
            jail.remember_url(server_url(host, cfg.server_port))
        self._servers = Servers(
            "LDAP", hosts, lambda where: Directory(cfg, where, driver), retry_interval=RETRY, shuffle=False
        )

    def lookup(self, key: str) -> str | None:
        """The values of all entries; TableError when no server can be asked."""
        asked = self._asked(key)
        if asked is None:
            return None
        base, query = asked

        def values(server: Directory) -> list[str]:
            try:
                found = server.search(base, self._scope, query, self._attributes)
            except LookupError as error:
                found = self._without_base(base, error)
            return list(self._values(server, found))

        return self._answers.joined(key, self._servers.ask(values, table=self._answers.name))

    async def lookup_kept(self, key: str) -> str | None:
        """The same on an event loop, where the answer can't lead on to others. NotNowError."""
        if self._special or self._cfg.chase_referrals:
            raise NotNowError
        asked = self._asked(key)
        if asked is None:
            return None
        base, query = asked

        async def values(server: Directory) -> list[str]:
            try:
                found = await server.search_soon(base, self._scope, query, self._attributes)
            except LookupError as error:
                found = self._without_base(base, error)
            return list(self._values(server, found))

        return self._answers.joined(key, await self._servers.ask_kept(values))

    def _asked(self, key: str) -> tuple[str, str] | None:
        """Where the key is looked for, and how; None: it can't be there."""
        if not self._answers.wants(key):
            return None
        query = self._filter.expand(key, quote=self._driver.filter.escape_filter_chars)
        base = self._base.expand(key, quote=_quote_dn)
        return None if query is None or base is None else (base, query)

    def _without_base(self, base: str, error: LookupError) -> list[Entry]:
        """The base is not there: if the key says where it is, no entries are; else something is wrong."""
        if self._base.fixed:
            raise WrongQuestionError(f"Search base '{base}' not found: {error}")
        return []

    def _values(self, server: Directory, entries: Iterable[Entry]) -> Iterator[str]:
        """What the entries give, and those that they name."""
        levels = [self._given(entries)]
        while levels:
            found = next(levels[-1], None)
            if found is None:
                levels.pop()
            elif isinstance(found, str):
                yield found
            elif len(levels) < self._cfg.recursion_limit:
                levels.append(self._given(self._entries_of(server, found.name)))
            else:
                where = f"{found.attribute}={found.name}"
                raise WrongQuestionError(f"Recursion limit exceeded for special attribute {where}")

    def _given(self, entries: Iterable[Entry]) -> Iterator[str | Named]:
        """Values, and what else is to be read, one entry after the other."""
        for entry in entries:
            terminal = any(_is_one(name, self._terminal) for name in entry)
            leaf = not any(_is_one(name, self._special) for name in entry)
            for name, values in entry.items():
                if _is_one(name, self._terminal):
                    yield from _texts(values)
                elif terminal or (not leaf and _is_one(name, self._leaf)):
                    continue
                elif _is_one(name, self._leaf) or _is_one(name, self._plain):
                    yield from _texts(values)
                elif _is_one(name, self._special):
                    yield from (Named(name, text) for text in _texts(values))

    def _entries_of(self, server: Directory, name: str) -> list[Entry]:
        """The entries that a special attribute points to."""
        try:
            url = self._parse_url(name)
        except ValueError:
            base, scope, query, wanted = name, SCOPES["base"], ANY, self._attributes
        else:
            base, query, wanted = url.dn or "", url.filterstr or ANY, self._wanted(url.attrs)
            scope = SCOPES["base"] if url.scope is None else url.scope
        if not wanted:
            return []
        try:
            return server.search(base, scope, query, wanted)
        except LookupError:
            msg.warning(f"{self._answers.name}: DN {name} not found, skipping")
            return []

    def _wanted(self, attributes: list[str] | None) -> list[str]:
        """Those of the table's attributes that a URL asks for too, with the options (`;x`) of either."""
        if not attributes:
            return self._attributes
        named = [attribute.lower() for attribute in attributes]
        pairs = [(ours, theirs) for ours in self._attributes for theirs in named]
        return [max(pair, key=len) for pair in pairs if _is_one(pair[0], [pair[1]]) or _is_one(pair[1], [pair[0]])]


_SPECIAL = re.compile(r'[ \t"#+,;<>\\]')


def _quote_dn(text: str) -> str:
    """A key as part of a distinguished name (RFC 2253): what has a meaning there, in hexadecimal."""
    return _SPECIAL.sub(lambda match: f"\\{ord(match[0]):02X}", text)


def open_ldap(options: Options, name: str) -> LdapTable:
    """Read the table's parameters; servers are connected when they are asked. OpenError."""
    cfg = read_params(LdapParams, options, name)
    try:
        import ldap
        import ldap.dn
        import ldap.filter
        import ldap.sasl
        import ldapurl
    except ImportError:
        raise missing_extra(options, name, "python-ldap", "ldap") from None
    if cfg.debuglevel:
        ldap.set_option(ldap.OPT_DEBUG_LEVEL, cfg.debuglevel)
    return LdapTable(cfg, name, ldap, ldapurl.LDAPUrl)


def _names(text: str) -> list[str]:
    return text.replace(",", " ").lower().split()


def _is_one(name: str, names: list[str]) -> bool:
    """Whether an attribute, perhaps with options (`;x`), is one of those."""
    return name in names or (";" in name and any(name.startswith(f"{each};") for each in names))


def _texts(values: list[bytes]) -> Iterator[str]:
    return (value.decode("utf-8", "surrogateescape") for value in values)


def _check(cfg: LdapParams, name: str, query: Template) -> None:
    """OpenError for what is not a choice; warnings for what is not taken as it is."""
    if cfg.bind.lower() not in BINDS:
        raise OpenError(f"{name}: unsupported parameter value: bind = {cfg.bind}")
    warn = [f" ignoring {parameter}" for parameter in IGNORED if cfg.main.raw(parameter) is not None]
    if cfg.start_tls and cfg.version < cfg.protocol:
        warn.append(" start_tls requires protocol version 3")
    if query.fixed:
        warn.append(f": Fixed query_filter {cfg.query_filter} is probably useless")
    if cfg.scope.lower() not in SCOPES:
        warn.append(f": Unrecognized value {cfg.scope} specified for scope; using sub")
    if cfg.dereference != cfg.aliases:
        warn.append(f" Unrecognized value {cfg.dereference} specified for dereference; using 0")
    if cfg.version > cfg.protocol:
        warn.append(f" Unknown version {cfg.version}, using {cfg.protocol}.")
    for text in warn:
        msg.warning(f"dict_ldap_open: {name}{text}")
