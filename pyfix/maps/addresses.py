"""addresses - the keys under which an address is looked up, and what becomes of the answer

For user+ext@domain, the first key found wins:

    user+ext@domain   user@domain   user+ext   user   @domain   domain   .parent ...

Which of them are tried is the caller's choice (Keys); `user` forms only where the caller's
predicate calls the domain local. Pattern tables get the whole address only.

A localpart that needs the quotes of RFC 5322 is tried with them, then without.

Parameters: recipient_delimiter, owner_request_special, double_bounce_sender.
Sources: canonical(5), virtual(5), transport(5), ADDRESS_REWRITING_README.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from pyfix.config.params.mail import MailParams
from pyfix.mail.address import NO_EXTENSIONS, Extensions, quote, quote_local
from pyfix.maps.maps import Maps


class Keys:
    """Parts of an address that may be a key. Plain numbers: they are asked for often."""

    FULL = 1  # user+ext@domain
    NO_EXTENSION = 2  # user@domain
    LOCALPART = 4  # user+ext, user: domain is local
    AT_DOMAIN = 8  # @domain
    DOMAIN = 16  # domain
    PARENTS = 32  # parent, or .parent
    QUOTED = 64  # a localpart that needs quotes is tried with them, and
    PLAIN = 128  # then without


FORMS = Keys.QUOTED | Keys.PLAIN

ADDRESS = Keys.FULL | Keys.NO_EXTENSION | Keys.LOCALPART | Keys.AT_DOMAIN | FORMS
"""bcc, sender_login, relocated, sender_dependent ... tables."""

EXTERNAL = ADDRESS & ~Keys.PLAIN
"""canonical, virtual and generic tables: addresses as they stand in headers, with their quotes."""

TRANSPORT = Keys.FULL | Keys.NO_EXTENSION | Keys.DOMAIN | Keys.PARENTS | FORMS
"""transport tables (without their last key `*`)."""


NULL = '""'
"""The null address in external form."""

Found = tuple[str, str]
"""A table's answer, and what of the address the key left out, delimiter included."""
Key = tuple[str, str, bool]
"""What is tried, what it leaves out of the address, whether it is only a part of the address."""


def extensions_of(mail: MailParams) -> Extensions:
    """How main.cf wants extensions to be split off."""
    return Extensions(
        mail.recipient_delimiter,
        double_bounce=mail.double_bounce_sender,
        owner_request_special=mail.owner_request_special,
    )


async def find_address(
    maps: Maps,
    address: str,
    *,
    extensions: Extensions = NO_EXTENSIONS,
    local: bool = False,
    keys: int = ADDRESS,
    parent_style: bool = False,
) -> Found | None:
    """What the tables say about an address; None when no key is there.

    extensions: how they are split off; local: whether the address's domain takes bare
    localparts as keys; parent_style: parents are tried as `parent` rather than `.parent`.
    TableError: a table can't answer.
    """
    if local:
        tried: Iterable[Key] = address_keys(address, extensions, keys, local=True, parent_style=parent_style)
    else:
        tried = _keys_not_local(address, extensions, keys, parent_style)
    for key, extension, partial in tried:
        value = await maps.find(key, partial=partial)
        if value is not None:
            return value, extension
    return None


@lru_cache(100)
def _keys_not_local(address: str, extensions: Extensions, keys: int, parent_style: bool) -> tuple[Key, ...]:
    """address_keys() where no domain is local, for several tables that are asked for one address."""
    return tuple(address_keys(address, extensions, keys, parent_style=parent_style))


def address_keys(
    address: str,
    extensions: Extensions = NO_EXTENSIONS,
    keys: int = ADDRESS,
    *,
    local: bool = False,
    parent_style: bool = False,
) -> Iterator[Key]:
    """What is tried, in order."""
    whole = address, quote(address) or NULL
    for key, quoted, extension in _both_forms(address, extensions, keys, local=local, parent_style=parent_style):
        if keys & Keys.QUOTED:
            yield quoted, extension, quoted not in whole
        if (keys & Keys.PLAIN and key != quoted) or not keys & Keys.QUOTED:
            yield key, extension, key not in whole


def _both_forms(
    address: str,
    extensions: Extensions,
    keys: int,
    *,
    local: bool,
    parent_style: bool,
) -> Iterator[tuple[str, str, str]]:
    """Keys in internal and in external form, and what they leave out."""
    user, at, domain = address.rpartition("@")
    if not at:
        user, domain = address, ""
    bare, extension = extensions.split(user)
    if keys & Keys.FULL:
        yield address, quote(address) or NULL, ""
    if keys & Keys.NO_EXTENSION and extension:
        yield bare + at + domain, quote(bare + at + domain), extension
    if at and keys & Keys.LOCALPART and local:
        yield user, quote_local(user), ""
        if extension:
            yield bare, quote_local(bare), extension
    if at and keys & Keys.AT_DOMAIN:
        yield at + domain, at + domain, ""
    if at and keys & Keys.DOMAIN:
        yield domain, domain, ""
    if at and keys & Keys.PARENTS:
        for parent in parents(domain, dot=not parent_style):
            yield parent, parent, ""


def parents(domain: str, *, dot: bool) -> Iterator[str]:
    """The domain's parents, nearest first: `.b.c`, `.c` of a.b.c, or without the dot.

    An address literal has none.
    """
    if domain.startswith("["):
        return
    at = domain.find(".", 1)
    while at > 0:
        start = at if dot else at + 1
        if at + 1 < len(domain):
            yield domain[start:]
        at = domain.find(".", start + 1)


def add_extension(address: str, extension: str) -> str:
    """The address with the extension (delimiter included) at the end of its localpart."""
    user, at, domain = address.rpartition("@")
    return user + extension + at + domain if at else address + extension


def keep_user(result: str, address: str) -> str:
    """A result `@newdomain` with the address's localpart before it; any other as it is."""
    if not result.startswith("@"):
        return result
    user, at, _ = address.rpartition("@")
    return (user if at else address) + result
