"""check_config - what is wrong with a configuration that can be read

Names that nobody knows, restrictions, table types and tables that can't be, programs that are not there: each with
the file and line to blame, and with the name that was probably meant. Postfix tells most of this only when mail comes.

A finding is grave when mail will be refused or wait because of it, or a name is probably misspelt.

Sources: postfix(1) check, postconf(1).
"""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from pyfix.config import pending, registry, restriction_names
from pyfix.config.catalog import Catalog
from pyfix.config.expand import references
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.master_cf import Service, load_services, read_lines
from pyfix.config.master_entry import Entry
from pyfix.config.nbdb_util import LEGACY, Level, level
from pyfix.config.nearest import LIKE, nearest
from pyfix.config.params.mail import MailParams
from pyfix.maps.braces import split
from pyfix.maps.match import is_network
from pyfix.maps.network import BadNetworkError, parse_network
from pyfix.maps.open import TYPES, open_or_fail
from pyfix.maps.table import OpenError
from pyfix.server import programs

CLASSES = "smtpd_restriction_classes"
TABLE_NAMES = ("_maps", "_checks", "_domains", "_database", "_map", "_tables")
TRANSPORTS = frozenset({"content_filter"})
"""Parameters that name a transport, beside those whose name says so."""
_LISTS = """
    authorized_flush_users authorized_mailq_users authorized_submit_users mydestination mynetworks
    smtpd_authorized_verp_clients smtpd_authorized_xclient_hosts smtpd_authorized_xforward_hosts
    smtpd_client_event_limit_exceptions smtpd_discard_ehlo_keyword_address_maps
"""
TABLE_LISTS = frozenset(_LISTS.split())
_ADDRESSES = """
    mynetworks debug_peer_list smtpd_authorized_verp_clients smtpd_authorized_xclient_hosts
    smtpd_authorized_xforward_hosts smtpd_client_event_limit_exceptions smtpd_sasl_exceptions_networks
"""
NETWORK_LISTS = frozenset(_ADDRESSES.split())
_TYPES = "cdb dbm ldap memcache mongodb mysql nis nisplus netinfo pgsql sdbm socketmap sqlite tcp"
POSTFIX_TYPES = frozenset(_TYPES.split())
"""What no misspelling is, even where it is not there."""
FILES = frozenset({"btree", "cidr", "hash", "lmdb", "pcre", "regexp", "texthash"})
"""Types of tables that a check may open: they ask nobody but a file."""
_TO_COME = "anvil dnsblog postscreen proxymap qmqpd scache spawn tlsmgr tlsproxy verify"
NOT_THERE_YET = frozenset(_TO_COME.split()) - programs.PROGRAMS.keys()
"""Programs that Postfix has."""
_COMPLAINT = re.compile(r"(.*?): (unused|undefined) parameter: ([^=\s]+)(.*)", re.DOTALL)
"""A line of the catalog: file, what, name, and = with the value."""


class Finding(NamedTuple):
    """One thing, with where it stands."""

    text: str
    grave: bool


class Place(NamedTuple):
    """One setting, and the configuration in which it counts."""

    where: str
    name: str
    value: str
    view: MainCf


def findings(main: MainCf, *, thorough: bool = True) -> Iterator[Finding]:
    """All of them. thorough: open tables in files, tell of programs too. BadConfig: a file can't be read at all."""
    services = load_services(main)
    settings = list(_settings(main, services))
    yield from _names(settings, main)
    yield from _restrictions(settings)
    yield from _tables(settings)
    yield from _networks(settings)
    yield from _transports(settings, services)
    if thorough:
        yield from _contents(settings, MailParams(main).default_database_type)
        for service in services:
            yield from _program(service, main)
    for problem in pending.warnings(main, services):
        yield Finding(problem, grave=False)


def _settings(main: MainCf, services: list[Service]) -> Iterator[Place]:
    """Each setting of main.cf and master.cf."""
    for name in main.names():
        setting = main.setting(name)
        assert setting is not None
        yield Place(setting.where, name, setting.value, main)
    for service in services:
        where = f"{main.config_dir}/master.cf, line {service.line}"
        view = main.with_overrides(service.overrides, where) if service.overrides else main
        for name, value in service.overrides:
            yield Place(where, name, value, view)


def meant(name: str, known: Collection[str], like: float = LIKE) -> str:
    """` (did you mean ...?)`, or nothing when no name is like this one."""
    found = nearest(name, known, like)
    return f" (did you mean {found}?)" if found else ""


def _names(settings: list[Place], main: MainCf) -> Iterator[Finding]:
    """What postconf warns of, with the line."""
    entries = [Entry(line) for line in read_lines(f"{main.config_dir}/master.cf")]
    catalog = Catalog(main, entries)
    known = catalog.names()
    for line in (*catalog.undefined(), *catalog.unused()):
        found = _COMPLAINT.fullmatch(line)
        if found is None:
            yield Finding(line, grave=False)
            continue
        path, what, name, value = found.groups()
        where = next((p.where for p in settings if p.where.startswith(path) and _is_it(p, name, value)), path)
        hint = meant(name, known)
        yield Finding(f"{where}: {what} parameter: {name}{value}{hint}", grave=bool(hint))


def _is_it(place: Place, name: str, value: str) -> bool:
    """Whether this is the setting that is complained of. value: with =, nothing for a name that is referred to."""
    return (place.name, f"={place.value}") == (name, value) if value else name in references(place.value)


# Restrictions


def _restrictions(settings: list[Place]) -> Iterator[Finding]:
    for place in settings:
        classes = _classes(place)
        if place.name in restriction_names.LISTS or place.name in classes:
            yield from _words(place, {*restriction_names.NAMES, *classes})


def _classes(place: Place) -> list[str]:
    """The restriction classes where a setting counts."""
    return _items(place._replace(name=CLASSES, value=place.view.raw(CLASSES) or ""))


def _words(place: Place, known: set[str]) -> Iterator[Finding]:
    words = iter(_items(place))
    for word in words:
        name = word.lower()
        if name in restriction_names.WITH_TABLE:
            yield from _type(place, next(words, ""))
        elif name in restriction_names.WITH_ARGUMENT:
            next(words, "")
        elif ":" in word:
            yield from _type(place, word)
        elif name not in known and word not in known and word[:1] != "{":
            problem = f'{place.where}: {place.name}: unknown smtpd restriction: "{word}"'
            yield Finding(problem + meant(name, known), grave=True)


def _items(place: Place) -> list[str]:
    """The items of a list, expanded; none where it can't be."""
    try:
        return split(place.view.expand(place.value, place.name))
    except BadConfig:
        return []  # somebody else's finding


# Tables


def _tables(settings: list[Place]) -> Iterator[Finding]:
    for place in settings:
        if place.name in TABLE_LISTS or place.name.endswith(TABLE_NAMES):
            for item in _items(place):
                spec = item.lstrip("!")
                if ":" in spec and spec[:1] not in "[/{":
                    yield from _type(place, spec)


def _type(place: Place, spec: str) -> Iterator[Finding]:
    """What is wrong with type:name."""
    kind, colon, rest = spec.removeprefix("{").strip().partition(":")
    if kind == "proxy":
        yield from _type(place, rest)
    elif colon and kind not in TYPES:
        problem = f"{place.where}: {place.name}: unsupported dictionary type: {kind}"
        yield Finding(problem + (meant(kind, TYPES, 0.7) if kind not in POSTFIX_TYPES else ""), grave=True)


def _contents(settings: list[Place], default: str) -> Iterator[Finding]:
    """Tables in files that can't be opened."""
    for place in settings:
        lists = (*restriction_names.LISTS, *_classes(place))
        if not place.name.endswith(("_maps", "_checks", "_domains")) and place.name not in {*lists, *TABLE_LISTS}:
            continue
        for item in _items(place):
            spec = _first(item.lstrip("!"))
            if spec.partition(":")[0] in FILES and not _is_made_when_wanted(spec, place.view):
                try:
                    open_or_fail(spec, config_dir=place.view.config_dir, default=default)
                except OpenError as error:
                    yield Finding(f"{place.where}: {place.name}: {error}", grave=True)


def _is_made_when_wanted(spec: str, view: MainCf) -> bool:
    """Whether nbdb_reindexd sees to the index of this table."""
    return spec.partition(":")[0] in LEGACY and level(view) is Level.REINDEX


def _first(item: str) -> str:
    """The table that { type:name, option=value ... } begins with; other items as they are."""
    words = split(item[1:-1]) if item.startswith("{") and item.endswith("}") else [item]
    return "".join(words[:1])


def _networks(settings: list[Place]) -> Iterator[Finding]:
    """Addresses and blocks that can't be, where no table is meant."""
    for place in settings:
        if place.name in NETWORK_LISTS:
            for item in _items(place):
                pattern = item.lstrip("!")
                is_table = pattern.partition(":")[0] in TYPES
                if is_network(pattern) and not is_table and not pattern.startswith("/"):
                    try:
                        parse_network(pattern)
                    except BadNetworkError as error:
                        yield Finding(f"{place.where}: {place.name}: {error}", grave=True)


# Transports and programs


def _transports(settings: list[Place], services: list[Service]) -> Iterator[Finding]:
    """Transports that master.cf does not have: mail for them would wait."""
    known = {service.name for service in services if service.type != "inet"}
    for place in settings:
        if place.name in TRANSPORTS or (place.name.endswith("_transport") and registry.find(place.name)):
            transport = "".join(_items(place)[:1]).partition(":")[0]
            if transport and transport not in known:
                problem = f"{place.where}: {place.name}: no such service in master.cf: {transport}"
                yield Finding(problem + meant(transport, known, 0.7), grave=True)


def _program(service: Service, main: MainCf) -> Iterator[Finding]:
    if programs.locate(service.program) is not None:
        return
    where = f"{main.config_dir}/master.cf, line {service.line}"
    if service.program in NOT_THERE_YET:
        yield Finding(f"{where}: service {service.name} is not available yet", grave=False)
        return
    problem = f"{where}: service {service.name} is not available: no such program: {service.program}"
    yield Finding(problem + meant(service.program, {*programs.PROGRAMS, *NOT_THERE_YET}), grave=True)
