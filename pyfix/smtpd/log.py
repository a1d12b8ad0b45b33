"""log - the log lines of smtpd

CLIENT is name[address], QID a queue id or NOQUEUE. Addresses are logged in external form;
what is not printable becomes `?`.

See also: pflogsumm, fail2ban and others read these; their form is Postfix's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pyfix.config.compatibility import using
from pyfix.mail.address import quote
from pyfix.unix.msg import printable

_VERBS = (
    *("HELO", "EHLO", "XCLIENT", "XFORWARD", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET"),
    *("NOOP", "VRFY", "ETRN", "QUIT", "HELP", "UNKNOWN"),
)
ORDER = {verb: number for number, verb in enumerate(_VERBS)}
TEXT_LIMIT = 100  # characters of client input that are logged
ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}


def escaped(data: bytes) -> str:
    r"""Client input with \r\n and the like spelled out."""
    return "".join(ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in data)


def connect(client: str) -> str:
    """A client is there."""
    return f"connect from {client}"


def said(direction: str, client: str, line: bytes) -> str:
    """What client (<) or server (>) said. -v."""
    return f"{direction} {client}: {printable(line.decode('utf-8', 'replace'))}"


def restrictions(end: str, stage: str) -> str:
    """A list is asked (START), or was (END). -v."""
    return f">>> {end} {stage} RESTRICTIONS <<<"


def validation(stage: str) -> str:
    """Whether the address exists is asked. -v."""
    return f">>> CHECKING {stage} VALIDATION MAPS <<<"


def restriction(name: str, status: int | None = None) -> str:
    """One of a list is asked, or has answered. -v."""
    return f"generic_checks: name={name}" + ("" if status is None else f" status={status}")


def old_network(client: str) -> str:
    """A client is trusted by an old default."""
    return using("mynetworks_style=subnet", f'permit request from client "{client}"')


def old_relay_domain(domain: str) -> str:
    """A domain's mail is taken by an old default."""
    return using("relay_domains=$mydestination", f'accept mail for domain "{printable(domain)}"')


def old_relay_address(recipient: str) -> str:
    """The same, once all is decided."""
    return using("relay_domains=$mydestination", f'accept mail for address "{printable(recipient)}"')


def old_non_ascii(kind: str, address: str, client: str) -> str:
    """An address is taken by an old default. kind: sender or recipient."""
    return using("smtputf8_enable=no", f'accept non-ASCII {kind} address "{printable(address)}" from {client}')


def old_relay_restrictions(recipient: str, client: str) -> str:
    """Mail is relayed by an old default."""
    why = f'avoid "Relay access denied" error for recipient "{printable(recipient)}" from client "{client}"'
    return using('"smtpd_relay_restrictions = (empty)"', why)


def old_order(recipient: str, client: str) -> str:
    """The recipient list was asked first by an old default, and refused."""
    why = f'reject recipient "{printable(recipient)}" from client "{client}"'
    return using("smtpd_relay_before_recipient_restrictions=no", why)


def client_is(queue_id: str, client: str, sasl_sender: str | None) -> str:
    """A message has got its queue file. sasl_sender: who has submitted it, as the client says; None: it does not."""
    if sasl_sender is None:
        return f"{queue_id}: client={client}"
    return f"{queue_id}: client={client}, sasl_sender={printable(sasl_sender)}"


def disconnect(client: str, counts: dict[str, int], refused: dict[str, int], *, bare_lf: bool = False) -> str:
    """A session is over. counts: verb -> how often it came; refused: of that, how often in vain."""
    words = _counted(tuple(counts.items()), tuple(refused.items()))
    return f"disconnect from {client}{words}{' notes=bare_lf' if bare_lf else ''}"


@lru_cache(256)
def _counted(counts: tuple[tuple[str, int], ...], refused: tuple[tuple[str, int], ...]) -> str:
    vain = dict(refused)
    rows = [(verb, number - vain.get(verb, 0), number) for verb, number in counts]
    words = [f" {verb.lower()}={_of(ok, all_)}" for verb, ok, all_ in sorted(rows, key=lambda row: ORDER[row[0]])]
    total = _of(sum(row[1] for row in rows), sum(row[2] for row in rows)) if rows else "0/0"
    return f"{''.join(words)} commands={total}"


def _of(accepted: int, total: int) -> str:
    return str(total) if accepted == total else f"{accepted}/{total}"


def lost_connection(queue_id: str, where: str, client: str, size: int | None) -> str:
    """The client has gone without QUIT. size: bytes of content so far, None: not in content."""
    return f"{queue_id}: lost connection after {where}{_bytes(size)} from {client}"


def timeout(queue_id: str, where: str, client: str, size: int | None) -> str:
    """The client says nothing any more."""
    return f"{queue_id}: timeout after {where}{_bytes(size)} from {client}"


def too_many_errors(queue_id: str, where: str, client: str) -> str:
    """smtpd_hard_error_limit is reached."""
    return f"{queue_id}: too many errors after {where} from {client}"


def _bytes(size: int | None) -> str:
    return "" if size is None else f" ({size} bytes)"


def policy(
    queue_id: str,
    action: str,
    stage: str,
    client: str,
    text: str,
    *,
    sender: str | None,
    recipient: str | None,
    protocol: str,
    helo: str | None,
    sasl_sender: str | None,
) -> str:
    """A decision: reject, hold, warn ... sender, recipient: internal form; None: not known (yet)."""
    words = [
        f" from=<{quote(sender)}>" if sender is not None else "",
        f" to=<{quote(recipient)}>" if recipient is not None else "",
        f" proto={protocol}" if protocol else "",
        f" helo=<{helo}>" if helo is not None else "",
        f" sasl_sender={sasl_sender}" if sasl_sender is not None else "",
    ]
    return printable(f"{queue_id}: {action}: {stage} from {client}: {text};{''.join(words)}")


def pipelining(where: str, client: str, text: bytes) -> str:
    """A client that did not wait."""
    return f"improper command pipelining after {where} from {client}: {escaped(text[:TEXT_LIMIT])}"


def not_smtp(client: str, text: str) -> str:
    """(warning) A command of another protocol, or a message header."""
    return f"non-SMTP command from {client}: {escaped(text.encode('utf-8', 'surrogateescape'))[:TEXT_LIMIT]}"


def long_line(client: str, limit: int, text: bytes) -> str:
    """(warning) A command that does not end."""
    return f"{client}: request longer than {limit}: {printable(text[:30].decode('utf-8', 'surrogateescape'))}..."


def illegal_address(client: str, verb: str, address: str) -> str:
    """(warning) An address that can't be understood."""
    return f"Illegal address syntax from {client} in {verb} command: {printable(address)}"


def unknown_notify(word: str, value: str) -> str:
    """(warning) A notice is asked for that there is not."""
    return f'unknown DSN NOTIFY command value "{printable(word)}" in "{printable(value)}"'


def no_flush() -> str:
    """(warning) ETRN, and nobody there to do it."""
    return "unable to talk to fast flush service"


def etrn_refused(domain: str, client: str) -> str:
    """(warning) ETRN for a domain that has no flush log."""
    return f"reject: ETRN {printable(domain)}... from {client}"


def bad_bdat(queue_id: str, client: str, text: str) -> str:
    """(warning) BDAT with a wrong count."""
    return f"{queue_id}: malformed BDAT command syntax from {client}: {printable(text[:TEXT_LIMIT])}"


def big_chunk(queue_id: str, client: str) -> str:
    """(warning) A chunk beyond message_size_limit."""
    return f"{queue_id}: BDAT request from {client} exceeds message size limit"


def null_bdat(queue_id: str, client: str) -> str:
    """(warning) A chunk of nothing that is not the last one."""
    return f"{queue_id}: null BDAT request from {client}"


def no_more_input(address: str, port: str) -> str:
    """(warning) Nothing more is read of a command that does not end. address, port: where the client came to."""
    return f"disabling input from {f'[{address}]' if ':' in address else address}:{port} socket"


def long_chunk(queue_id: str, client: str) -> str:
    """(warning) A chunk far beyond message_size_limit."""
    return f"{queue_id}: too much BDAT content -- disabling further input from {client}"


def big_message(queue_id: str) -> str:
    """(warning) Content beyond message_size_limit."""
    return f"{queue_id}: queue file size limit exceeded"


def not_forward(name: str, address: str, reason: str = "") -> str:
    """(warning) A client's name does not lead back to its address."""
    return f"hostname {name} does not resolve to address {address}{': ' if reason else ''}{reason}"


def not_a_name(name: str) -> str:
    """(warning) A PTR record that holds no host name."""
    kind = "numeric" if name.replace(".", "").isdigit() else "malformed"
    return f"{kind} hostname: {printable(name)}"


def low_space(free: int, needed: int) -> str:
    """(warning) Not enough room for the queue. Bytes."""
    return f"not enough free space in mail queue: {free} bytes < {needed} bytes"


def bad_code(text: str) -> str:
    """(warning) A reply code parameter that is no refusal."""
    return f"SMTP reply code configuration error: {text}"


def mapped_status(status: str, about: str, fit: str) -> str:
    """An enhanced status of an access table that is not about what is rejected."""
    return f"mapping DSN status {status} into {about} status {fit}"


def permit(action: str, about: str, name: str, table: str) -> str:
    """A permit that smtpd_log_access_permit_actions asks for."""
    return f"action={action} for {about}={name} {f'from {table}' if table else ''}"


def triggers(name: str, about: str, what: str) -> str:
    """An access action that cleanup or the queue manager carries out."""
    return f"<{name}>: {about} {what}"


def bad_entry(table: str, entry: str, problem: str) -> str:
    """(warning) A value that an access table should not have."""
    return f'access table {table} entry "{entry}" {problem}'


def too_deep(table: str, value: str) -> str:
    """(warning) A table that names a list that asks the table, and so on."""
    return f"access table {table} entry {value} causes unreasonable recursion"


def empty_entry(table: str, value: str) -> str:
    """(warning) A value that says nothing."""
    return f"access table {table} entry {value} has empty value"


def too_late(table: str, action: str) -> str:
    """(warning) An action when the message has come already."""
    return f"access table {table}: action {action} must be used before smtpd_end_of_data_restrictions"


def not_at_etrn(table: str, action: str) -> str:
    """(warning) An action about a message where there is none."""
    return f"access table {table}: action {action} is unavailable in smtpd_etrn_restrictions"


def before_message(table: str, action: str) -> str:
    """(warning) An action before there is a message."""
    return (
        f"access table {table}: with smtpd_delay_reject=no, action {action} is always skipped "
        "in Client host or Helo command restrictions"
    )


def table_in_table(table: str, value: str) -> tuple[str, str, str]:
    """(warnings) A table that names tables: they could not be opened before the jail."""
    return (
        f"access table {table} has entry with lookup table: {value}",
        "do not specify lookup tables inside SMTPD access maps",
        "define a restriction class and specify its name instead.",
    )


def bad_table(word: str, argument: str) -> str:
    """(warning) A restriction that needs a table and has none."""
    return f'restriction {word}: bad argument "{argument}": need maptype:mapname'


def needs_number(word: str) -> str:
    """(warning) A restriction that needs a number and has none."""
    return f"restriction {word} must be followed by number"


def permits(word: str, name: str) -> tuple[str, str, str]:
    """(warnings) A table that permits by what the sender of mail may choose."""
    return (
        f"restriction {word} returns OK for {name}",
        "this is not allowed for security reasons",
        "use DUNNO instead of OK if you want to make an exception",
    )


def no_servers(kind: str, name: str, problem: str) -> str:
    """(warning) A domain's servers that can't be told."""
    return f"Unable to look up {kind} host for {name}: {problem}"


def dropped(name: str, *, mx_first: bool) -> str:
    """(warning) smtpd_dns_reply_filter has left nothing of what DNS says. mx_first: asked for before addresses."""
    what = "MX or address" if mx_first else "address or MX"
    return f"{name}: {what} lookup error: DNS reply filter drops all results"


def no_server_address(kind: str, server: str, about: str, problem: str) -> str:
    """(warning) A server without addresses."""
    return f"Unable to look up {kind} host {server} for {about}: {problem}"


def needs_server(word: str) -> str:
    """(warning) A restriction that needs a server and has none."""
    return f"restriction {word} must be followed by transport:server"


def policy_connect(endpoint: str, problem: str) -> str:
    """(warning) A policy server that is not there."""
    return f"connect to {endpoint}: {problem}"


def policy_answer(problem: str, endpoint: str) -> str:
    """(warning) A policy server's answer can't be understood."""
    return f"{problem} from {endpoint}"


def policy_trouble(endpoint: str, problem: str) -> str:
    """(warning) A policy server that does not answer."""
    return f"problem talking to server {endpoint}: {problem}"


def needs_domain(word: str) -> str:
    """(warning) A restriction that needs a domain and has none."""
    return f"restriction {word} requires domain name argument"


def removed(word: str, instead: str) -> str:
    """(warning) A restriction of old. instead: words in quotes."""
    return f'support for restriction "{word}" has been removed in Postfix 3.9; instead, specify {instead}'


def to_be_removed(word: str, instead: str) -> str:
    """(warning) A restriction that Postfix is about to give up. instead: words in quotes."""
    return f'support for restriction "{word}" will be removed from Postfix; instead, specify {instead}'


def no_sasl(word: str) -> str:
    """(warning) A restriction that is about logins, where nobody can log in."""
    return f"restriction `{word}' ignored: no SASL support"


def list_trouble(query: str, problem: str) -> str:
    """(warning) A DNS list that can't be asked now."""
    return f"{query}: RBL lookup error: {problem}"


def bad_pattern(problem: str) -> str:
    """(warning) The part of a DNS list's name that says which answers count."""
    return f"RBL reply error: {problem}"


def bad_list_reply(text: str) -> str:
    """(warning) A default_rbl_reply that is no refusal."""
    return f"rbl response code configuration error: {text}"


def bad_list_template(template: str, problem: str) -> str:
    """(warning) A default_rbl_reply that can't be understood."""
    return f"bad default_rbl_reply template: {template}: {problem}"


def unknown_macro(name: str) -> str:
    """(warning) A name in default_rbl_reply that means nothing."""
    return f'unknown macro name "{name}" in expansion request'


def needs_word(about: str, table: str) -> str:
    """(warning) A table in a list that does not say what to ask for."""
    return (
        "specify one of (check_client_access, check_reverse_client_hostname_access, check_helo_access, "
        f'check_sender_access, check_recipient_access, check_etrn_access) before {about} restriction "{table}"'
    )


def bad_context(word: str) -> str:
    """(warning) A word that local_header_rewrite_clients does not have."""
    return f"parameter local_header_rewrite_clients: invalid request: {word}"


def unknown_restriction(word: str) -> str:
    """(warning) A word in a restriction list that means nothing."""
    return f'unknown smtpd restriction: "{word}"'


def after_end(word: str, end: str) -> str:
    """(warning) A word behind one that always decides."""
    return f"restriction `{word}' after `{end}' is ignored"


def no_reject(names: Iterable[str]) -> str:
    """(fatal) An open relay by configuration."""
    return (
        "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, "
        f"specify at least one working instance of: {_list(list(names))}"
    )


def _list(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]


def discarding(keywords: str) -> str:
    """EHLO keywords that are not announced to this client."""
    return f"discarding EHLO keywords: {keywords}"
