"""envelope - what a queue file says about its message, and who is still to get it

The words of the queue file, typed. scan.py fills these from a file.

See also: queue-file sheet section 4.
"""

from typing import Final

_PLAIN: Final = ("client_port", "client_name", "client_address", "protocol_name", "helo_name")
_LOGGED: Final = tuple(f"log_{name}" for name in _PLAIN)
_MORE: Final = ("sasl_method", "sasl_username", "sasl_sender", "rewrite_context")
_HANDED_ON: Final = ("log_ident", *_LOGGED, *_MORE)
_HANDED_ON_OLD: Final = ("log_ident", *_PLAIN, *_MORE)
_EMPTY: Final = ("",) * len(_HANDED_ON)


class Recipient:
    """A recipient still to do.

    offset: of its record in the file, for mark_done; address, original (before expansion, empty when
    not known): internal form; dsn_orig_rcpt: "type;xtext" or empty; notify: DSN bits, NEVER 1,
    SUCCESS 2, FAILURE 4, DELAY 8, 0 when nothing was said.
    """

    __slots__ = ("address", "dsn_orig_rcpt", "notify", "offset", "original")

    def __init__(
        self, offset: int, address: str, original: str = "", dsn_orig_rcpt: str = "", notify: int = 0
    ) -> None:
        self.offset = offset
        self.address = address
        self.original = original
        self.dsn_orig_rcpt = dsn_orig_rcpt
        self.notify = notify

    def __repr__(self) -> str:
        return f"Recipient{self._key()!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipient) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[int, str, str, str, int]:
        return self.offset, self.address, self.original, self.dsn_orig_rcpt, self.notify


class Envelope:
    """What a queue file says about its message.

    arrival: (seconds, microseconds); create_time: seconds, base of the expiry, 0 when unknown;
    content_size, content_offset, rcpt_count, qmgr_opts, content_len (the size= of logs), sendopts:
    the size record; attrs: all attributes without a member of their own; recipients: the first batch of
    those still to do; rcpt_offset: where the next batch begins, 0 when there is none; rcpt_unread:
    how many the size record counts beyond those seen; done_count: recipients seen that are done with;
    warn_time: when to warn the sender of a delay, negative when that is done, at warn_offset
    (0: never); trace_flags at trace_offset; filter, inspect, redirect, verp: empty when there is none;
    warnings: what is odd but no reason to refuse the file.
    """

    __slots__ = (
        "arrival",
        "attrs",
        "content_len",
        "content_offset",
        "content_size",
        "create_time",
        "done_count",
        "envelope_id",
        "filter",
        "full_name",
        "inspect",
        "qmgr_opts",
        "rcpt_count",
        "rcpt_offset",
        "rcpt_unread",
        "recipients",
        "redirect",
        "ret_flags",
        "sender",
        "sendopts",
        "trace_flags",
        "trace_offset",
        "verp",
        "warn_offset",
        "warn_time",
        "warnings",
    )

    def __init__(self) -> None:
        self.sender = ""
        self.arrival = (0, 0)
        self.create_time = 0
        self.content_size = 0
        self.content_offset = 0
        self.rcpt_count = 0
        self.qmgr_opts = 0
        self.content_len = 0
        self.sendopts = 0
        self.attrs: dict[str, str] = {}
        self.recipients: list[Recipient] = []
        self.rcpt_offset = 0
        self.rcpt_unread = 0
        self.done_count = 0
        self.warn_time = 0
        self.warn_offset = 0
        self.trace_flags = 0
        self.trace_offset = 0
        self.envelope_id = ""
        self.ret_flags = 0
        self.filter = ""
        self.inspect = ""
        self.redirect = ""
        self.verp = ""
        self.full_name = ""
        self.warnings: list[str] = []

    def handed_on(self) -> list[str]:
        """What delivery agents hear of the client: what differs from message to message comes first.

        log_ident; port, name, address, protocol, HELO name (in files without any log_ attribute, old ones, the plain
        ones count); SASL method, user and sender; rewrite_context.
        """
        attrs = self.attrs
        old = "log_client_name" not in attrs and not any(map(attrs.__contains__, _LOGGED))
        return list(map(attrs.get, _HANDED_ON_OLD if old else _HANDED_ON, _EMPTY))
