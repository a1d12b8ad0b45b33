"""expand - texts for clients in which $names stand for what is known of a session

What a client said is inserted only so far as smtpd_expansion_filter has its characters: each other byte becomes "_".

Parameters: smtpd_expansion_filter (for default_rbl_reply, rbl_reply_maps, smtpd_reject_footer).
Sources: postconf(5).
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from pyfix.config.expand import Expander
from pyfix.mail.address import split_address
from pyfix.smtpd import log
from pyfix.smtpd.peer import Peer
from pyfix.smtpd.site import Site
from pyfix.unix import msg
from pyfix.unix.maillog_client import stamp


def names(site: Site, peer: Peer, helo: str | None, sender: str | None, recipient: str | None) -> dict[str, str]:
    """The values that all such texts may use. None: not said yet."""
    return {
        "client": peer.client,
        "client_address": peer.address,
        "client_name": peer.name,
        "client_port": peer.port,
        "reverse_client_name": peer.names.reverse_name,
        "helo_name": helo or "",
        "localtime": stamp(time.time()),
        "server_name": site.mail.myhostname,
        **_address("sender", sender),
        **_address("recipient", recipient),
    }


def _address(name: str, address: str | None) -> dict[str, str]:
    if not address:
        null = "" if address is None else "<>"
        return {name: null, f"{name}_name": null, f"{name}_domain": ""}
    local, domain = split_address(address)
    return {name: address, f"{name}_name": local, f"{name}_domain": domain or ""}


def expanded(template: str, values: Mapping[str, str], insertable: frozenset[str]) -> tuple[str, list[str]]:
    """The text with its names replaced, and the names that mean nothing: reported, and nothing in the text.

    insertable: the characters that values may bring in. ExpandError: the template can't be understood.
    """
    unknown: list[str] = []

    def value(name: str) -> str | None:
        if name not in values:
            msg.warning(log.unknown_macro(name))
            unknown.append(name)
            return None
        safe = "".join([char if char in insertable else "_" * _size(char) for char in values[name]])
        return safe.replace("$", "$$")  # what is inserted is only text

    return Expander(value).text(template), unknown


def _size(char: str) -> int:
    return len(char.encode("utf-8", "surrogateescape"))
