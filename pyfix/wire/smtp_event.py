"""smtp_event - what a client asks of an SMTP server

Each event carries the verb it came with. Unless said otherwise an event wants exactly
one reply. Addresses and arguments are str: UTF-8, what is not UTF-8 as surrogate escapes.
"""

from __future__ import annotations

from pyfix.wire.smtp_data import Piece
from pyfix.wire.smtp_params import MailParams, RcptParams
from pyfix.wire.smtp_reply import Reply


class Event:
    """Something to react to. verb: of the command, in capitals; of what is none, UNKNOWN.

    Subclasses set it themselves: there are a dozen events to a message.
    """

    __slots__ = ("verb",)

    def __init__(self, verb: str) -> None:
        self.verb = verb

    def __repr__(self) -> str:
        names = [name for kind in type(self).__mro__ for name in getattr(kind, "__slots__", ())]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


class Bad(Event):
    """A command that is wrong in itself or at this time. reply: the answer that it deserves."""

    __slots__ = ("address", "reply", "text")

    def __init__(self, verb: str, reply: Reply, *, text: str = "", address: str | None = None) -> None:
        self.verb = verb
        self.reply = reply
        self.text = text
        """The command line as received."""
        self.address = address
        """An address that can't be understood, as received; None: the trouble is another one."""


class BadParameter(Bad):
    """MAIL or RCPT with a parameter that is wrong: its address may be worse.

    behind: the address in internal form; given: as received; smtputf8: it may be an international one.
    """

    __slots__ = ("behind", "given", "smtputf8")

    def __init__(
        self, verb: str, reply: Reply, argument: str, behind: str, given: str, *, smtputf8: bool = False
    ) -> None:
        super().__init__(verb, reply, text=f"{verb} {argument}")
        self.behind = behind
        self.given = given
        self.smtputf8 = smtputf8


class Unknown(Event):
    """A command that does not exist. word: what stands in its place; text: the whole line."""

    __slots__ = ("header", "text", "word")

    def __init__(self, word: str, text: str, *, header: bool) -> None:
        self.verb = "UNKNOWN"
        self.word = word
        self.text = text
        self.header = header
        """It looks like a message header."""


class Hello(Event):
    """HELO or EHLO."""

    __slots__ = ("extended", "name")

    def __init__(self, verb: str, name: str) -> None:
        self.verb = verb
        self.name = name
        self.extended = verb == "EHLO"


class Mail(Event):
    """MAIL. address: internal form, empty for the null sender."""

    __slots__ = ("address", "given", "params")

    def __init__(self, address: str, given: str, params: MailParams) -> None:
        self.verb = "MAIL"
        self.address = address
        self.given = given
        """The address as received."""
        self.params = params


class Rcpt(Event):
    """RCPT. address: internal form."""

    __slots__ = ("address", "given", "params")

    def __init__(self, address: str, given: str, params: RcptParams) -> None:
        self.verb = "RCPT"
        self.address = address
        self.given = given
        self.params = params


class Data(Event):
    """DATA. A 3xx reply lets the content come."""

    __slots__ = ()

    def __init__(self) -> None:
        self.verb = "DATA"


class Bdat(Event):
    """BDAT size [LAST]. Answer with accept_chunk(), or with a refusal; then the chunk is dropped."""

    __slots__ = ("first", "last", "size")

    def __init__(self, size: int, *, last: bool, first: bool) -> None:
        self.verb = "BDAT"
        self.size = size
        self.last = last
        self.first = first


class Text(Event):
    """A piece of content (no reply). size: bytes of the message so far, as message_size_limit counts them."""

    __slots__ = ("blocks", "size")

    def __init__(self, verb: str, blocks: list[Piece], size: int) -> None:
        self.verb = verb
        self.blocks = blocks
        self.size = size


class ChunkEnd(Event):
    """All of a chunk that is not the last has come. size: its bytes; bare: LF alone was in it."""

    __slots__ = ("bare", "size")

    def __init__(self, size: int, *, bare: bool) -> None:
        self.verb = "BDAT"
        self.size = size
        self.bare = bare


class Dropped(Event):
    """A refused chunk has gone by, its refusal is in the output (no reply). last: so has its message."""

    __slots__ = ("last",)

    def __init__(self, verb: str, *, last: bool) -> None:
        self.verb = verb
        self.last = last


class MessageEnd(Event):
    """All of a message has come. blocks: what is left of its content; size: its bytes, as message_size_limit counts."""

    __slots__ = ("bare", "blocks", "size")

    def __init__(self, verb: str, blocks: list[Piece], size: int, bare: bool) -> None:
        self.verb = verb
        self.blocks = blocks
        self.size = size
        self.bare = bare


class Simple(Event):
    """RSET NOOP QUIT HELP, and AUTH STARTTLS XCLIENT XFORWARD where they mean nothing yet."""

    __slots__ = ("argument",)

    def __init__(self, verb: str, argument: str) -> None:
        self.verb = verb
        self.argument = argument


class Verify(Event):
    """VRFY. address: internal form; given: as received; smtputf8: the client says that it knows SMTPUTF8."""

    __slots__ = ("address", "given", "smtputf8")

    def __init__(self, address: str, given: str, *, smtputf8: bool = False) -> None:
        self.verb = "VRFY"
        self.address = address
        self.given = given
        self.smtputf8 = smtputf8


class Etrn(Event):
    """ETRN. domain: as received, without a leading @ or #."""

    __slots__ = ("domain",)

    def __init__(self, domain: str) -> None:
        self.verb = "ETRN"
        self.domain = domain


class Pipelined(Event):
    """A client that did not wait where it must (no reply needed: the command follows).

    text: what it sent too early.
    """

    __slots__ = ("text",)

    def __init__(self, verb: str, text: bytes) -> None:
        self.verb = verb
        self.text = text


class LongLine(Event):
    """A command that is too long (no reply): its beginning follows as if it were all.

    endless: it is so long that nothing more should be read from this client.
    """

    __slots__ = ("endless", "text")

    def __init__(self, text: bytes, *, endless: bool) -> None:
        self.verb = "UNKNOWN"
        self.text = text
        self.endless = endless


class LongChunk(Event):
    """A refused chunk that is too long to be read (no reply): nothing more should be read from this client."""

    __slots__ = ()

    def __init__(self) -> None:
        self.verb = "BDAT"


class BareLine(Event):
    """A command line that ends in LF alone, where that is told (no reply needed: the command follows)."""

    __slots__ = ()
