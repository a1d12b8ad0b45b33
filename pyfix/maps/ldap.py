"""ldap - lookup table in an LDAP directory

ldap:/file/of/parameters. The entries that query_filter finds give the values of:

    result_attribute            every entry
    leaf_result_attribute       entries that have no special attribute
    special_result_attribute    names (DNs) and LDAP URLs of more entries, which are read in turn
    terminal_result_attribute   an entry that has one gives nothing else

Servers are tried in the order given, as `ldap://host:port`, `ldaps://host`, `ldapi://%2fpath`
or `host:port`. Needs the extra `ldap` (python-ldap: the same libldap that Postfix uses, with its
ldap.conf, TLS, SASL mechanisms and referrals), which is imported when the first such table is opened.

Sources: ldap_table(5).
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, ClassVar

from pyfix.config.param import Bool, Int, Str
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.db_common import Answers, DbParams, Template
from pyfix.maps.kept import Ear, ear_for
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import NotNowError, OpenError, Options, missing_extra
from pyfix.unix import msg

ANY = "(objectClass=*)"
BINDS = {"yes": "simple", "simple": "simple", "no": "none", "none": "none", "sasl": "sasl"}
SCOPES = {"base": 0, "one": 1, "sub": 2}

Entry = dict[str, list[bytes]]
"""Values by attribute, in lower case."""

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
    tls_random_file = Str("")
    sasl_mechs = Str("")
    sasl_realm = Str("")
    sasl_authz_id = Str("")
    sasl_minssf = Int("0", min=0, max=4096)
    debuglevel = Int("0", min=0, max=255)


class Directory:
    """A connection to one server, bound. driver: the package ldap."""

    def __init__(self, cfg: LdapParams, where: str, driver: Any) -> None:
        """where: URL, or host and port. OSError: no connection, or it may not bind."""
        self._cfg = cfg
        self._driver = driver
        self._ear: Ear | None = None
        try:
            self._server = driver.initialize(_url(where, cfg.server_port))
        except driver.LDAPError as error:
            raise OSError(_said(error)) from None
        try:
            self._begin(self._server)
        except driver.LDAPError as error:
            self.close()
            raise OSError(_said(error)) from None

    def _begin(self, server: Any) -> None:
        cfg, driver = self._cfg, self._driver
        server.timeout = cfg.timeout
        for option, value in (
            (driver.OPT_PROTOCOL_VERSION, cfg.version),
            (driver.OPT_NETWORK_TIMEOUT, cfg.timeout),
            (driver.OPT_TIMEOUT, cfg.timeout),
            (driver.OPT_TIMELIMIT, cfg.timeout),
            (driver.OPT_SIZELIMIT, cfg.size_limit or cfg.expansion_limit),
            (driver.OPT_DEREF, cfg.dereference),
            (driver.OPT_REFERRALS, int(cfg.chase_referrals)),
            *self._tls_options(),
        ):
            server.set_option(option, value)
        if cfg.start_tls:
            server.start_tls_s()
        bind = BINDS[cfg.bind]
        if bind == "simple":
            server.simple_bind_s(cfg.bind_dn, cfg.bind_pw)
        elif bind == "sasl":
            self._bind_sasl(server)

    def _tls_options(self) -> list[tuple[int, str | int]]:
        cfg, driver = self._cfg, self._driver
        files = (
            (driver.OPT_X_TLS_CACERTFILE, cfg.tls_ca_cert_file),
            (driver.OPT_X_TLS_CACERTDIR, cfg.tls_ca_cert_dir),
            (driver.OPT_X_TLS_CERTFILE, cfg.tls_cert),
            (driver.OPT_X_TLS_KEYFILE, cfg.tls_key),
            (driver.OPT_X_TLS_CIPHER_SUITE, cfg.tls_cipher_suite),
            (driver.OPT_X_TLS_RANDOM_FILE, cfg.tls_random_file),
        )
        verify = driver.OPT_X_TLS_DEMAND if cfg.tls_require_cert else driver.OPT_X_TLS_NEVER
        return [
            *[(option, value) for option, value in files if value],
            (driver.OPT_X_TLS_REQUIRE_CERT, verify),
            (driver.OPT_X_TLS_NEWCTX, 0),  # last: what was set takes effect
        ]

    def _bind_sasl(self, server: Any) -> None:
        cfg, sasl = self._cfg, self._driver.sasl
        answers = {
            sasl.CB_AUTHNAME: cfg.bind_dn,
            sasl.CB_PASS: cfg.bind_pw,
            sasl.CB_USER: cfg.sasl_authz_id,
            sasl.CB_GETREALM: cfg.sasl_realm,
        }
        server.set_option(self._driver.OPT_X_SASL_SSF_MIN, cfg.sasl_minssf)
        auth = sasl.sasl(answers, cfg.sasl_mechs)
        server.sasl_interactive_bind_s("", auth, sasl_flags=self._driver.SASL_QUIET)

    def search(self, base: str, scope: int, filter: str, attributes: list[str]) -> list[Entry]:  # noqa: A002 - LDAP's word
        """The entries that are found. LookupError: the base is not there; OSError, WrongQuestionError."""
        driver = self._driver
        try:
            found = self._server.search_ext_s(base, scope, filter, attributes, timeout=self._cfg.timeout)
        except driver.NO_SUCH_OBJECT as error:
            raise LookupError(_said(error)) from None
        except driver.LDAPError as error:
            code = error.args[0].get("result", 0)
            ours = code >= 0 or isinstance(error, (driver.FILTER_ERROR, driver.PARAM_ERROR))
            if ours and not isinstance(error, (driver.BUSY, driver.UNAVAILABLE)):
                raise WrongQuestionError(f"Search error {code}: {_said(error)}: {filter}") from None
            raise OSError(_said(error)) from None
        return _entries(found)

    async def search_soon(self, base: str, scope: int, filter: str, attributes: list[str]) -> list[Entry]:  # noqa: A002 - LDAP's word
        """The same on an event loop; whatever is wrong, LDAPError."""
        server, until = self._server, time.monotonic() + self._cfg.timeout
        number = server.search_ext(base, scope, filter, attributes, timeout=self._cfg.timeout)
        ear = self._ear = ear_for(server.fileno(), self._ear)
        while True:
            await ear.heard(until)
            kind, found, *_ = server.result4(number, 1, 0)
            if kind is not None:
                return _entries(found)

    def close(self) -> None:
        """Hang up."""
        if self._ear is not None:
            self._ear.close()
        with suppress(self._driver.LDAPError):
            self._server.unbind_ext()


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
        self._scope = SCOPES[cfg.scope]
        hosts = cfg.server_host.replace(",", " ").split() or ["localhost"]
        self._servers = Servers("LDAP", hosts, lambda where: Directory(cfg, where, driver), shuffle=False)

    def lookup(self, key: str) -> str | None:
        """The values of all entries; TableError when no server can be asked."""
        asked = self._asked(key)
        if asked is None:
            return None
        base, query = asked

        def values(server: Directory) -> list[str]:
            found = self._found(server, base, self._scope, query, self._attributes)
            return list(self._values(server, found, key))

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
            found = await server.search_soon(base, self._scope, query, self._attributes)
            return list(self._values(server, found, key))

        return self._answers.joined(key, await self._servers.ask_kept(values))

    def _asked(self, key: str) -> tuple[str, str] | None:
        """Where the key is looked for, and how; None: it can't be there."""
        if not self._answers.wants(key):
            return None
        query = self._filter.expand(key, quote=self._driver.filter.escape_filter_chars)
        base = self._base.expand(key, quote=self._driver.dn.escape_dn_chars)
        return None if query is None or base is None else (base, query)

    def _found(
        self, server: Directory, base: str, scope: int, filter: str, attributes: list[str]  # noqa: A002 - LDAP's word
    ) -> list[Entry]:
        """Entries below a base, or none when that is not there."""
        try:
            return server.search(base, scope, filter, attributes)
        except LookupError as error:
            msg.warning(f"{self._answers.name}: Search base '{base}' not found: {error}")
            return []

    def _values(self, server: Directory, entries: Iterable[Entry], key: str) -> Iterator[str]:
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

    def _named(self, server: Directory, name: str) -> list[Entry]:
        """The entries that a special attribute points to."""
        try:
            url = self._parse_url(name)
        except ValueError:
            return self._member(server, name)
        named = {attribute.lower() for attribute in url.attrs or self._attributes}
        wanted = [attribute for attribute in self._attributes if attribute in named]
        scope = SCOPES["base"] if url.scope is None else url.scope
        return self._found(server, url.dn or "", scope, url.filterstr or ANY, wanted) if wanted else []

    def _member(self, server: Directory, name: str) -> list[Entry]:
        try:
            return server.search(name, SCOPES["base"], ANY, self._attributes)
        except LookupError:
            msg.warning(f"{self._answers.name}: DN {name} not found, skipping")
            return []


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


def _entries(found: list[tuple[str | None, Entry]]) -> list[Entry]:
    """Those that have a name: what has none is a reference to another server."""
    return [{name.lower(): values for name, values in entry.items()} for dn, entry in found if dn is not None]


def _url(where: str, port: int) -> str:
    """A server as a URL."""
    if "://" in where:
        return where
    return f"ldap://{where}" if re.search(r":\d+\Z", where) else f"ldap://{where}:{port}"


def _said(error: Any) -> str:
    """What went wrong, in the library's words and the server's."""
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {"desc": str(error)}
    return ": ".join([str(told[part]) for part in ("desc", "info") if told.get(part)])


def _names(text: str) -> list[str]:
    return text.replace(",", " ").lower().split()


def _of(entry: Entry, names: list[str]) -> Iterator[str]:
    for name in names:
        for value in entry.get(name, ()):
            yield value.decode("utf-8", "surrogateescape")


def _check(cfg: LdapParams, table: str) -> None:
    """OpenError for what is not a choice."""
    if not cfg.search_base:
        raise OpenError(f"{table}: search_base is missing")
    if cfg.scope not in SCOPES:
        raise OpenError(f"{table}: unrecognized value {cfg.scope} specified for scope")
    if cfg.bind not in BINDS:
        raise OpenError(f"{table}: bad bind value {cfg.bind}: need yes, no or sasl")
