"""log - what the SMTP client says, in logs and in reports"""

from __future__ import annotations

from pyfix.delivery.smtp import addresses


def loops(domain: str) -> str:
    """This system is the best mail exchanger, but does not know the domain."""
    return f"mail for {domain} loops back to myself"


def no_primary_relay(domain: str) -> str:
    """The better exchangers have no address."""
    return f"unable to find primary relay for {domain}"


def no_valid_host(domain: str, kind: str) -> str:
    """No host that its records name has an address. kind: "MX", "SRV"."""
    return f"no {kind} host for {domain} has a valid address record"


def no_host(host: str) -> str:
    """The system does not know the name."""
    return f"unable to look up host {host}: Name or service not known"


def connect_failed(server: addresses.Server, reason: str) -> str:
    """No connection."""
    return f"connect to {server.name_port}: {reason}"


def bind_failed(address: str, reason: str) -> str:
    """smtp_bind_address is not ours."""
    return f"bind {address}: {reason}"


def talk(direction: str, server: addresses.Server, line: str) -> str:
    """What server (<) or client (>) said. -v."""
    return f"{direction} {server.name_port}: {line}"


def lost(server: addresses.Server, doing: str) -> str:
    """The server hung up."""
    return f"lost connection with {server.name} while {doing}"


def timed_out(server: addresses.Server, doing: str) -> str:
    """The server was silent for too long."""
    return f"conversation with {server.name} timed out while {doing}"


def refused(server: addresses.Server, line: str) -> str:
    """The server does not want to talk."""
    return f"host {server.name} refused to talk to me: {line}"


def said(server: addresses.Server, line: str, command: str) -> str:
    """The server does not want this."""
    return f"host {server.name} said: {line} (in reply to {command})"


def too_big(size: int, limit: int, server: addresses.Server) -> str:
    """The message is larger than the server takes."""
    return f"message size {size} exceeds size limit {limit} of server {server.name}"


def no_utf8(server: addresses.Server) -> str:
    """The message can't be sent without SMTPUTF8."""
    return f"SMTPUTF8 is required, but was not offered by host {server.name}"


PROTOCOL_ERROR = "Protocol error: "  # before a reply that says yes where it can not mean it
NO_TLS = "TLS is required, but our TLS engine is unavailable"
NO_SERVER = "server unavailable or unable to receive mail"


def skipped(queue_id: str, reason: str) -> str:
    """Another server may do better."""
    return f"{queue_id}: {reason}"


def greeted_as_me(server: addresses.Server, name: str) -> str:
    """The server has our name."""
    return f"host {server.name_port} greeted me with my own hostname {name}"


def helloed_as_me(server: addresses.Server, name: str) -> str:
    """The server has our name."""
    return f"host {server.name_port} replied to HELO/EHLO with my own hostname {name}"


def bad_size(text: str, server: addresses.Server) -> str:
    """A SIZE that is no number."""
    return f'bad EHLO SIZE limit "{text}" from {server.name_port}'


def too_long(server: addresses.Server, limit: int, text: str) -> str:
    """A line of a reply was cut."""
    return f"{server.name_port}: response longer than {limit}: {text}..."


def too_many(server: addresses.Server, limit: int, text: str) -> str:
    """Lines of a reply were left out."""
    return f"{server.name_port}: multi-line response longer than {limit} {text}..."


def garbage(queue_id: str, server: addresses.Server, text: str, *, lmtp: bool) -> str:
    """A line is no reply."""
    return f"{queue_id}: non-{'LMTP' if lmtp else 'ESMTP'} response from {server.name_port}: {text:.100}"


def garbage_hint(address: str, parameter: str) -> str:
    """What to do against lost mail when replies are mixed with garbage."""
    return f"to prevent loss of mail, turn off command pipelining for {address} with the {parameter} parameter"


def discarding(keywords: list[str]) -> str:
    """EHLO keywords that are not used."""
    return f"discarding EHLO keywords: {', '.join(keywords)}"


def breaking(queue_id: str, limit: int) -> str:
    """A line is longer than SMTP allows."""
    return f"{queue_id}: breaking line > {limit} bytes with <CR><LF>SPACE"


def pix(queue_id: str, words: str, server: addresses.Server) -> str:
    """A firewall masks the greeting; what is done about it."""
    return f"{queue_id}: enabling PIX workarounds: {words} for {server.name_port}"


def forward_refused(server: addresses.Server, line: str, command: str) -> str:
    """The server does not want to know where a message came from."""
    return f"host {server.name_port} said: {line} (in reply to {command})"


def replacing(server: addresses.Server, line: str, by: str) -> str:
    """smtp_reply_filter has other words for a line of a reply."""
    return f'{server.name_port}: replacing server reply "{line}" with "{by}"'


def multi_valued(maps: str, address: str) -> str:
    """A table has more than one address where one is wanted, or none."""
    return f"multi-valued {maps} result for {address}"


def configuration_problem(parameter: str) -> str:
    """A relay that the administrator chose can't be found."""
    return f"{parameter} configuration problem"
