"""match - the lists of patterns that parameters like mydestination and mynetworks hold

    domains = DomainMatch("example.com, .example.net, hash:/etc/postfix/relay", name="relay_domains")
    await domains.matches("mail.example.net")                      True
    networks = AddressMatch("127.0.0.0/8 [::1]/128 !10.0.0.1 10.0.0.0/8", name="mynetworks")
    await networks.matches("10.0.0.2")                             True

Items are tried in order and the first that matches decides; `!item` decides for "no". An item
is a pattern, `/file/name` with more items, or `type:table`, where any value means a match.
What a list can't decide, for a table that does not answer or a wrong pattern, raises
TableError: it must not be taken for a "no".

Parameters: parent_domain_matches_subdomains. See also: postconf(5) mynetworks.
"""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from pyfix.maps.addresses import parents
from pyfix.maps.items import Item, read_items
from pyfix.maps.network import Address, BadNetworkError, Network, parse_address, parse_network
from pyfix.maps.open import open_table, unavailable
from pyfix.maps.table import LocalTable, Table, TableError, fold_key
from pyfix.unix import msg

_REMEMBER = 10_000  # decisions kept by a list without tables


class Sought(NamedTuple):
    """What a list is asked for: a name (or any string), an address, or both; folded."""

    name: str
    address: str
    number: Address | None


class Test(Protocol):
    """One item of a list, or some that stand together."""

    async def applies(self, sought: Sought) -> bool:
        """Whether it matches; TableError when that can't be told."""
        ...


class Strings:
    """Strings that must be equal."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = frozenset(patterns)

    async def applies(self, sought: Sought) -> bool:
        """Whether the string is one of them."""
        return sought.name in self._patterns


class Domains:
    """Domains; parent: each with its subdomains, else those are written `.domain`."""

    def __init__(self, patterns: Iterable[str], *, parent: bool) -> None:
        self._patterns = frozenset(patterns)
        self._dot = not parent

    async def applies(self, sought: Sought) -> bool:
        """Whether the domain or a parent of it is one of them."""
        return self.has(sought.name)

    def has(self, domain: str) -> bool:
        """The same, without waiting."""
        patterns = self._patterns
        return domain in patterns or any(parent in patterns for parent in parents(domain, dot=self._dot))


class Host:
    """A client: an address, a block of addresses, or a domain that its name is in."""

    def __init__(self, pattern: str, list_name: str, *, parent: bool) -> None:
        self._list_name = list_name
        self._literal = pattern[1:-1] if pattern.startswith("[") and pattern.endswith("]") else pattern
        self._domain = Domains([pattern], parent=parent)
        self._version = 6 if ":" in pattern else 4
        self._network: Network | None = None
        self._wrong = ""
        if is_network(pattern):
            try:
                self._network = parse_network(pattern)
            except BadNetworkError as error:
                self._wrong = str(error)

    async def applies(self, sought: Sought) -> bool:
        """Whether the client is meant; TableError for a wrong pattern of the client's IP version."""
        if sought.name and self._domain.has(sought.name):
            return True
        address = sought.number
        if address is None or sought.address == self._literal:
            return address is not None
        if self._wrong and address.version == self._version:
            msg.warning(f"{self._list_name}: {self._wrong}")
            raise TableError(self._list_name, self._wrong)
        return self._network is not None and self._network.contains(address)


_NETWORK = frozenset("0123456789abcdef.:[]/")


def is_network(pattern: str) -> bool:
    """Whether the pattern must be read as a block of addresses: a plain IPv4 address need not."""
    return _NETWORK.issuperset(pattern) and (":" in pattern or "/" in pattern)


class InTable:
    """A table: whatever it has matches. Domains are tried with their parents."""

    def __init__(self, table: Table, list_name: str, *, domains: bool, parent: bool) -> None:
        self._table = table
        self._list_name = list_name
        self._domains = domains
        self._dot = not parent

    async def applies(self, sought: Sought) -> bool:
        """Whether a key is there; TableError when the table can't answer."""
        for key in self._keys(sought):
            if await self._has(key):
                return True
        return False

    def _keys(self, sought: Sought) -> Iterator[str]:
        if sought.name:
            yield sought.name
            if self._domains and self._table.fixed:
                yield from parents(sought.name, dot=self._dot)
        if sought.address:
            yield sought.address

    async def _has(self, key: str) -> bool:
        try:
            return await self._table.lookup(key) is not None
        except TableError:
            msg.warning(f"{self._list_name}: {self._table.name}: table lookup problem")
            raise


Plain = Callable[[list[str]], Iterable[Test]]


class MatchList:
    """Items in order. What is common to the three kinds of list."""

    def __init__(
        self, text: str, name: str, plain: Plain, *, domains: bool, parent: bool, utf8: bool
    ) -> None:
        self.name = name
        self._utf8 = utf8
        self._tests: list[tuple[bool, Test]] = []
        self._tables: list[LocalTable] = []
        self._known: dict[tuple[str, str], bool] = {}
        for (decision, is_table), items in groupby(read_items(text, name), _kind):
            tests: Iterable[Test]
            if is_table:
                tests = [self._table(item, domains=domains, parent=parent) for item in items]
            else:
                tests = plain([self._fold(item.text) for item in items])
            self._tests += [(decision, test) for test in tests]

    def __bool__(self) -> bool:
        return bool(self._tests)

    def changed(self) -> bool:
        """Whether a table's file is on disk no longer as it was when it was opened."""
        return any(table.changed() for table in self._tables)

    def _fold(self, text: str) -> str:
        return fold_key(text, utf8=self._utf8)

    def _table(self, item: Item, *, domains: bool, parent: bool) -> InTable:
        if item.failure is None:
            table = open_table(item.text, utf8=self._utf8)
        else:
            table = unavailable(f"nofile:{item.text}", item.failure)
        self._tables.append(table)
        return InTable(table, self.name, domains=domains, parent=parent)

    async def _decide(self, name: str, address: str) -> bool:
        if self._tables:
            return await self._search(name, address)
        known = self._known.get((name, address))
        if known is None:
            known = await self._search(name, address)
            if len(self._known) >= _REMEMBER:
                self._known.clear()
            self._known[name, address] = known
        return known

    async def _search(self, name: str, address: str) -> bool:
        sought = Sought(self._fold(name), address.lower(), parse_address(address) if address else None)
        for decision, test in self._tests:
            if await test.applies(sought):
                return decision
        return False


def _kind(item: Item) -> tuple[bool, bool]:
    """(what the item decides, whether it is a table)."""
    return item.match, item.failure is not None or _names_table(item.text)


def _names_table(text: str) -> bool:
    return ":" in text and not text.startswith("[") and parse_address(text.partition("/")[0]) is None


class DomainMatch(MatchList):
    """mydestination, relay_domains ...: domains."""

    def __init__(self, text: str, *, name: str, parent: bool = False, utf8: bool = True) -> None:
        """name: the parameter's, for the log; parent: `example.com` means its subdomains too."""
        super().__init__(
            text, name, lambda run: [Domains(run, parent=parent)], domains=True, parent=parent, utf8=utf8
        )

    def matches(self, domain: str) -> Coroutine[Any, Any, bool]:
        """Whether the list has the domain; TableError when that can't be told."""
        return self._decide(domain, "")


class AddressMatch(MatchList):
    """mynetworks, smtpd_authorized_xclient_hosts ...: addresses, blocks, client names."""

    def __init__(self, text: str, *, name: str, parent: bool = False, utf8: bool = True) -> None:
        """name: the parameter's, for the log; parent: `example.com` means its subdomains too."""
        super().__init__(
            text,
            name,
            lambda run: [Host(pattern, name, parent=parent) for pattern in run],
            domains=True,
            parent=parent,
            utf8=utf8,
        )

    def matches(self, address: str, name: str = "") -> Coroutine[Any, Any, bool]:
        """Whether the list has the client's address (no brackets) or name; TableError: can't be told."""
        return self._decide(name, address)

    def known(self, address: str, name: str = "") -> bool | None:
        """The same without waiting, when it was asked before and no table is in the list; None: it must be asked."""
        return self._known.get((name, address))


class StringMatch(MatchList):
    """Lists of plain strings, compared without case."""

    def __init__(self, text: str, *, name: str, utf8: bool = True) -> None:
        """name: the parameter's, for the log."""
        super().__init__(text, name, lambda run: [Strings(run)], domains=False, parent=False, utf8=utf8)

    def matches(self, string: str) -> Coroutine[Any, Any, bool]:
        """Whether the list has the string; TableError when that can't be told."""
        return self._decide(string, "")


def parent_matches(parent_domain_matches_subdomains: str, parameter: str) -> bool:
    """Whether `example.com` in that parameter means its subdomains too (the `parent` of a list).

    The first argument is the value of the parameter of that name.
    """
    for item in read_items(parent_domain_matches_subdomains, "parent_domain_matches_subdomains"):
        if item.text.lower() == parameter.lower():
            return item.match
    return False
