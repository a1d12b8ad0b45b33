"""log - the lines that cleanup writes, one function each"""


def message_id(queue_id: str, value: str, *, resent: bool = False) -> str:
    """The message's own identification; empty value: it has none and gets none."""
    return f"{queue_id}: {'resent-' if resent else ''}message-id={value}"


def rejected(queue_id: str, why: str) -> str:
    """Input that can't be a message."""
    return f"{queue_id}: message rejected: {why}"


def map_problem(queue_id: str, maps: str, key: str) -> str:
    """A table can't answer."""
    return f"{queue_id}: {maps} map lookup problem for {key} -- message not accepted, try again later"


def no_address(maps: str, key: str, value: str) -> str:
    """A table has something for a key, but no address."""
    return f'{maps} lookup of {key} returns non-address result "{value}"'


def unreasonable(queue_id: str, maps: str, what: str, key: str) -> str:
    """A table's answer is out of all proportion. what: "map nesting", "map expansion size"."""
    return f"{queue_id}: unreasonable {maps} {what} for {key} -- message not accepted, try again later"


def unreasonable_result(queue_id: str, maps: str, result: str) -> str:
    """An address in a table is absurdly long."""
    what = f"{result[:300]}..."
    return f"{queue_id}: unreasonable {maps} result {what} -- message not accepted, try again later"


def multi_valued(queue_id: str, maps: str, key: str) -> str:
    """More than one address where one is wanted."""
    return f"{queue_id}: multi-valued {maps} entry for {key}"


def null_attribute(queue_id: str, name: str) -> str:
    """An attribute without a value."""
    return f'{queue_id}: spurious null attribute value for "{name}" -- ignored'


def bad_notify(queue_id: str, value: str) -> str:
    """A recipient's NOTIFY that is no number of bits."""
    return f"{queue_id}: ignoring malformed DSN notify record <{value[:200]}>"


def bad_verp(queue_id: str, value: str) -> str:
    """VERP delimiters that are none."""
    return f'{queue_id}: ignoring bad VERP request: "{value[:100]}"'


def bad_flags(queue_id: str, flags: int) -> str:
    """Flags that a record may not set."""
    return f"{queue_id}: ignoring bad extra flags: 0x{flags:x}"


def too_big(queue_id: str) -> str:
    """message_size_limit."""
    return f"{queue_id}: queue file size limit exceeded"


def write_error(queue_id: str, error: OSError) -> str:
    """The disk is full or broken."""
    return f"{queue_id}: write queue file: {error.strerror}"


def remove_error(queue_id: str, error: OSError) -> str:
    """What was not accepted stays, as a file that is not complete."""
    return f"{queue_id}: remove queue file: {error.strerror}"


def create_error(error: OSError) -> str:
    """No file for a new message."""
    return f"mail_queue_enter: create file incoming: {error.strerror}"


def removed(queue_id: str, why: str) -> str:
    """The file is gone again. why: "canceled", "discarded"."""
    return f"{queue_id}: removed ({why})"


def malformed_header(header: bytes) -> str:
    """(warning) A header that would be understood, and is not."""
    return f"ignoring malformed header: '{header.decode('utf-8', 'surrogateescape')}'"


def bounce_failed(queue_id: str) -> str:
    """The sender of a refused message could not be told."""
    return f"{queue_id}: bounce message failure"
