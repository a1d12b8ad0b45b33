"""ldap_server - one server of an ldap: table: how it is connected and bound, and what it is asked

With TLS the certificates are read when the table is opened, before a jail closes, as far as libldap lets
them: it has one context that outlives its connections. A second table of the same process with other
certificates reads them at each connection.

SASL mechanisms are those of the system's libsasl2, with its environment (KRB5CCNAME and others of GSSAPI,
see import_environment). sasl_minssf is enforced, as documented.

Sources: ldap_table(5).
"""

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pyfix.config.param import Bool, Int, Str
from pyfix.maps.db_common import DbParams
from pyfix.maps.kept import Ear, ear_for
from pyfix.maps.servers import WrongQuestionError
from pyfix.unix import jail

BINDS = {"yes": "simple", "simple": "simple", "no": "none", "none": "none", "sasl": "sasl"}

Entry = dict[str, list[bytes]]
"""Values by attribute, in lower case, in the server's order."""

TlsOptions = tuple[tuple[str, str, int, str | int], ...]
"""Parameter, what it is set to, libldap's option, its value."""


class LdapParams(DbParams):
    """The parameters of a table."""

    server_host = Str("localhost", min=1)
    server_port = Int("389", min=0, max=65535)
    search_base = Str("")
    query_filter = Str("mailacceptinggeneralid=%s")
    result_filter = Str("%s", min=1)
    result_attribute = Str("maildrop")
    special_result_attribute = Str("")
    terminal_result_attribute = Str("")
    leaf_result_attribute = Str("")
    scope = Str("sub", min=1)
    bind = Str("yes", min=1)
    bind_dn = Str("")
    bind_pw = Str("")
    timeout = Int("10", min=1)
    dereference = Int("0")
    chase_referrals = Bool("no")
    size_limit = Int("0")
    recursion_limit = Int("1000", min=1)
    version = Int("3", min=2)
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
    sasl_minssf = Int("0", min=0)
    debuglevel = Int("0")

    @property
    def protocol(self) -> int:
        """The version that is spoken."""
        return 2 if self.version == 2 and not self.start_tls else 3

    @property
    def aliases(self) -> int:
        """When the server follows aliases."""
        return self.dereference if self.dereference in range(4) else 0

    @property
    def most_entries(self) -> int:
        """That one search may find; 0: any number."""
        return self.expansion_limit if self.main.raw("size_limit") is None else self.size_limit


class Directory:
    """A connection to one server, bound. driver: the package ldap."""

    def __init__(self, cfg: LdapParams, where: str, driver: Any) -> None:
        """where: URL, or host and port. OSError: no connection, or it may not bind."""
        self._cfg = cfg
        self._driver = driver
        self._ear: Ear | None = None
        self._url = jail.reachable_url(server_url(where, cfg.server_port))
        try:
            self._server = driver.initialize(self._url)
        except driver.LDAPError:
            raise OSError(f"Unable to init LDAP server {where}") from None
        try:
            self._begin(self._server)
        except BaseException:
            self.close()
            raise

    def _begin(self, server: Any) -> None:
        cfg, driver = self._cfg, self._driver
        server.timeout = cfg.timeout
        for option, value in (
            (driver.OPT_PROTOCOL_VERSION, cfg.protocol),
            (driver.OPT_NETWORK_TIMEOUT, cfg.timeout),
            (driver.OPT_TIMEOUT, cfg.timeout),
            (driver.OPT_TIMELIMIT, cfg.timeout),
            (driver.OPT_SIZELIMIT, cfg.most_entries),
            (driver.OPT_DEREF, cfg.aliases),
            (driver.OPT_REFERRALS, int(cfg.chase_referrals)),
        ):
            server.set_option(option, value)
        if cfg.start_tls or self._url.startswith("ldaps:"):
            _use_tls(driver, server, tls_options(cfg, driver))
        if cfg.start_tls:
            self._try("Unable to set STARTTLS: {code}: {what}", server.start_tls_s)
        bind = BINDS[cfg.bind.lower()]
        refused = f"Unable to bind to server {self._url} with dn {cfg.bind_dn or 'empty or implicit'}: "
        if bind == "simple":
            self._try(refused + "{code} ({what})", server.simple_bind_s, cfg.bind_dn, cfg.bind_pw)
        elif bind == "sasl":
            self._try(refused + "{code} ({what})", self._bind_sasl, server)

    def _try(self, failed: str, call: Callable[..., object], *args: object) -> None:
        try:
            call(*args)
        except self._driver.LDAPError as error:
            code, what, more = told(error)
            raise OSError(failed.replace("{code}", str(code)).replace("{what}", what) + more) from None

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
            found = self._server.search_ext_s(
                base, scope, filter, attributes, timeout=self._cfg.timeout, sizelimit=AS_SET
            )
        except driver.NO_SUCH_OBJECT as error:
            raise not_there(error) from None
        except driver.LDAPError as error:
            code, what, more = told(error)
            ours = code >= 0 or isinstance(error, (driver.FILTER_ERROR, driver.PARAM_ERROR))
            if ours and not isinstance(error, (driver.BUSY, driver.UNAVAILABLE)):
                raise WrongQuestionError(f"Search error {code}: {what}{more}: {filter}") from None
            raise OSError(what + more) from None
        return _entries(found)

    async def search_soon(self, base: str, scope: int, filter: str, attributes: list[str]) -> list[Entry]:  # noqa: A002 - LDAP's word
        """The same on an event loop. LookupError: the base is not there; else whatever is wrong, LDAPError."""
        server, until = self._server, time.monotonic() + self._cfg.timeout
        number = server.search_ext(base, scope, filter, attributes, timeout=self._cfg.timeout, sizelimit=AS_SET)
        ear = self._ear = ear_for(server.fileno(), self._ear)
        while True:
            await ear.heard(until)
            try:
                kind, found, *_ = server.result4(number, 1, 0)
            except self._driver.NO_SUCH_OBJECT as error:
                raise not_there(error) from None
            if kind is not None:
                return _entries(found)

    def close(self) -> None:
        """Hang up."""
        if self._ear is not None:
            self._ear.close()
        with suppress(self._driver.LDAPError):
            self._server.unbind_ext()


TIMED_OUT = -5
"""The library's number for it; python-ldap says nothing more."""
AS_SET = -1
"""A search's size limit is the connection's."""


def tls_options(cfg: LdapParams, driver: Any) -> TlsOptions:
    """What TLS is told, and by which parameters."""
    texts = (
        ("tls_ca_cert_dir", driver.OPT_X_TLS_CACERTDIR, cfg.tls_ca_cert_dir),
        ("tls_ca_cert_file", driver.OPT_X_TLS_CACERTFILE, cfg.tls_ca_cert_file),
        ("tls_cert", driver.OPT_X_TLS_CERTFILE, cfg.tls_cert),
        ("tls_key", driver.OPT_X_TLS_KEYFILE, cfg.tls_key),
        ("tls_random_file", driver.OPT_X_TLS_RANDOM_FILE, cfg.tls_random_file),
        ("tls_cipher_suite", driver.OPT_X_TLS_CIPHER_SUITE, cfg.tls_cipher_suite),
    )
    verify = driver.OPT_X_TLS_DEMAND if cfg.tls_require_cert else driver.OPT_X_TLS_NEVER
    return (
        ("tls_require_cert", "yes" if cfg.tls_require_cert else "no", driver.OPT_X_TLS_REQUIRE_CERT, verify),
        *[(name, text, option, text) for name, option, text in texts if text],
    )


_shared: list[TlsOptions] = []
"""Those that libldap's own context was made of; it can be made once."""


def read_certificates(driver: Any, options: TlsOptions) -> None:
    """Make libldap's own context, if it has none yet; what does not work is told when a server is connected."""
    if _shared:
        return
    try:
        _make_context(driver, driver, options)
    except OSError:
        for _, _, option, value in options:
            if isinstance(value, str):
                with suppress(driver.LDAPError, ValueError):
                    driver.set_option(option, "")
    else:
        _shared.append(options)


def _use_tls(driver: Any, server: Any, options: TlsOptions) -> None:
    """Have a connection use TLS so. OSError: it can't."""
    if options in _shared:
        server.set_option(driver.OPT_X_TLS_REQUIRE_CERT, options[0][3])
    else:
        _make_context(driver, server, options)


def _make_context(driver: Any, target: Any, options: TlsOptions) -> None:
    """target: the driver or a connection. OSError: which parameter is wrong."""
    for name, text, option, value in options:
        try:
            target.set_option(option, value)
        except (driver.LDAPError, ValueError) as error:
            raise OSError(f"Unable to set {name} to {text}: {''.join(told(error)[1:])}") from None
    try:
        target.set_option(driver.OPT_X_TLS_NEWCTX, 0)
    except (driver.LDAPError, ValueError):
        raise OSError(f"Unable to allocate new TLS context{_culprit(options)}") from None


def _culprit(options: TlsOptions) -> str:
    """The file that can't be read, or else all that was given."""
    given = [(name, text) for name, text, *_ in options[1:]]
    for name, path in given:
        if name != "tls_cipher_suite":
            try:
                os.stat(path) if name == "tls_ca_cert_dir" else open(path, "rb").close()
            except OSError as error:
                return f": {name} = {path}: {error.strerror}"
    return "".join([f": {name} = {text}" for name, text in given])


def told(error: Any) -> tuple[int, str, str]:
    """What went wrong: its number, the library's words, and after a colon the server's, if there are any."""
    said: dict[str, Any] = error.args[0] if error.args and isinstance(error.args[0], dict) else {"desc": str(error)}
    code = int(said.get("result", getattr(error, "errnum", 0)))
    what = str(said.get("desc", "")) or ("Timed out" if code == TIMED_OUT else type(error).__name__)
    return code, what, f": {said['info']}" if said.get("info") else ""


def not_there(error: Any) -> LookupError:
    """For a base that is not there."""
    code, what, more = told(error)
    return LookupError(f"{code}: {what}{more}")


def _entries(found: list[tuple[str | None, Entry]]) -> list[Entry]:
    """Those that have a name: what has none is a reference to another server."""
    return [{name.lower(): values for name, values in entry.items()} for dn, entry in found if dn is not None]


def server_url(where: str, port: int) -> str:
    """A server as a URL."""
    if "://" in where:
        return where
    return f"ldap://{where}" if re.search(r":\d+\Z", where) else f"ldap://{where}:{port}"
