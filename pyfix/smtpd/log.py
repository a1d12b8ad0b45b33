"""log - the log lines of smtpd

CLIENT is name[address], QID a queue id or NOQUEUE. Addresses are logged in external form;
what is not printable becomes `?`.

See also: pflogsumm, fail2ban and others read these; their form is Postfix's.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyfix.mail.address import quote

ORDER = (
    *("HELO", "EHLO", "XCLIENT", "XFORWARD", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET"),
    *("NOOP", "VRFY", "ETRN", "QUIT", "HELP", "UNKNOWN"),
)
TEXT_LIMIT = 100  # characters of client input that are logged
ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}


def printable(text: str) -> str:
    """The text without what could disturb a log."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() and not _surrogate(char) else "?" for char in text)


def _surrogate(char: str) -> bool:
    return "\ud800" <= char <= "\udfff"


def escaped(data: bytes) -> str:
    r"""Client input with \r\n and the like spelled out."""
    return "".join(ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in data)


def connect(client: str) -> str:
    """A client is there."""
    return f"connect from {client}"


def client_is(queue_id: str, client: str) -> str:
    """A message has got its queue file."""
    return f"{queue_id}: client={client}"


def disconnect(client: str, counts: dict[str, list[int]], *, bare_lf: bool = False) -> str:
    """A session is over. counts: verb -> [accepted, all]."""
    rows = [(verb.lower(), counts[verb][0], counts[verb][1]) for verb in ORDER if verb in counts]
    if not rows:
        return f"disconnect from {client} commands=0/0"
    rows.append(("commands", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    words = "".join(f" {name}={_of(accepted, total)}" for name, accepted, total in rows)
    return f"disconnect from {client}{words}{' notes=bare_lf' if bare_lf else ''}"


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
) -> str:
    """A decision: reject, hold, warn ... sender, recipient: internal form, None: not known yet."""
    words = [
        f" from=<{quote(sender)}>" if sender is not None else "",
        f" to=<{quote(recipient)}>" if recipient is not None else "",
        f" proto={protocol}" if protocol else "",
        f" helo=<{helo}>" if helo is not None else "",
    ]
    return printable(f"{queue_id}: {action}: {stage} from {client}: {text};{''.join(words)}")


def pipelining(where: str, client: str, text: bytes) -> str:
    """A client that did not wait."""
    return f"improper command pipelining after {where} from {client}: {escaped(text[:TEXT_LIMIT])}"


def not_smtp(client: str, text: str) -> str:
    """(warning) A command of another protocol, or a message header."""
    return f"non-SMTP command from {client}: {escaped(text[:TEXT_LIMIT].encode('utf-8', 'surrogateescape'))}"


def long_line(client: str, limit: int, text: bytes) -> str:
    """(warning) A command that does not end."""
    return f"{client}: request longer than {limit}: {escaped(text[:30])}..."


def illegal_address(client: str, verb: str, address: str) -> str:
    """(warning) An address that can't be understood."""
    return f"Illegal address syntax from {client} in {verb} command: {printable(address)}"


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
