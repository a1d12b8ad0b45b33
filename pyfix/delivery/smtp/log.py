"""log - what the SMTP client says, in logs and in reports"""

from __future__ import annotations

from collections.abc import Sequence

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
BAD_POLICY = "REQUIRETLS policy configuration error"
NO_SERVER = "server unavailable or unable to receive mail"


def requires_tls(level: str, what: str) -> str:
    """REQUIRETLS, and no TLS to be had at this level. what: "encryption", "certificate matching"."""
    return f"Sender requested REQUIRETLS, but my configured TLS security level '{level}' disables {what}"


def no_starttls(server: addresses.Server) -> str:
    """REQUIRETLS, and no TLS to be had there."""
    return f"Sender requested REQUIRETLS, but TLS service was not offered by host {server.name}"


def last_attempted(reason: str, server: addresses.Server) -> str:
    """Why that server can't be used."""
    return f"{reason}. The last attempted server was {server.host}"


def no_tls_policy(destination: str, server: addresses.Server, reason: str) -> str:
    """(warning) The same, for the log."""
    return f"TLS policy lookup for {destination}/{server.host}: {reason}"


def policy_trouble(where: str, what: str) -> str:
    """(warning) REQUIRETLS policies: what is wrong with an item."""
    return f"{where}: {what} -- ignoring the remainder of this policy"


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


def discarding(keywords: Sequence[str]) -> str:
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


NO_SASL = "SASL library initialization"
BAD_SASL_OPTIONS = "SASL per-connection initialization failed"


def unknown_sasl_type(text: str) -> str:
    """smtp_sasl_type is none that there is."""
    return f"unsupported SASL client implementation: {text}"


def unknown_sasl_option(word: str, text: str) -> str:
    """A word of smtp_sasl_security_options."""
    return f'unknown SASL security options value "{word}" in "{text}"'


def no_password_table(parameter: str) -> str:
    """Logging in is wanted, and there are no passwords."""
    return f"specify a password table via the `{parameter}' configuration parameter"


def auth_cache_name(text: str, problem: str) -> str:
    """smtp_sasl_auth_cache_name can't be used."""
    return f'SASL authentication cache name "{text}" {problem}'


def password_lookup_error(queue_id: str, maps: str) -> str:
    """The passwords can't be looked at."""
    return f"{queue_id}: {maps} lookup error"


def no_mechanism(server: addresses.Server, words: str) -> str:
    """What a server offers is nothing, or nothing that may be used."""
    if not words:
        return f"{server.name_port} offered null AUTH mechanism list"
    return f"{server.name_port} offered no supported AUTH mechanisms: '{words}'"


def local_error(server: addresses.Server) -> str:
    """A table could not answer."""
    return f"local data error while talking to {server.name}"


def no_compatible_mechanism(server: addresses.Server) -> str:
    """The server offers no way to log in that may be used."""
    return (
        f"SASL authentication failed: server {server.name} offered no compatible authentication mechanisms "
        "for this type of connection security"
    )


def can_not_log_in(server: addresses.Server, reason: str) -> str:
    """There is no going on."""
    return f"SASL authentication failed; cannot authenticate to server {server.name}: {reason}"


def unexpected_challenge(server: addresses.Server, mechanism: str, text: str) -> str:
    """The server has a question where we are to speak first."""
    return f"SASL authentication failed; non-empty initial {mechanism} challenge from server {server.name}: {text}"


def login_refused(server: addresses.Server, text: str) -> str:
    """The server does not let us in."""
    return f"SASL authentication failed; server {server.name} said: {text}"


def login_refused_before(server: addresses.Server, text: str) -> str:
    """The server did not let us in some time ago."""
    return f"SASL [CACHED] authentication failed; server {server.host} said: {text}"


def auth_cache_failed(name: str, key: str) -> str:
    """The failed logins can't be looked at, or changed."""
    return f"SASL auth failure map {name}: lookup failed for {key}"


def entry_not_deleted(name: str, key: str) -> str:
    """An entry for a login that failed is old, but stays."""
    return f"SASL auth failure map {name}: entry not deleted: {key}"


def bad_auth_cache_entry(entry: str) -> str:
    """An entry for a login that failed is none."""
    return f"bad smtp_sasl_auth_cache entry: {entry:.100}"
