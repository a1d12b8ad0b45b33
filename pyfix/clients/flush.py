"""flush - asking the flush service, and what both ends say

The server speaks first (protocol=queue_flush_protocol, a list of its own); then request=... with its arguments;
the answer is status=n. This is Postfix's own protocol, without frames.

| request   | arguments     | done                                                     |
|-----------|---------------|----------------------------------------------------------|
| add       | site queue_id | remember that this message waits for that site           |
| send_site | site          | have all mail for the site tried now                     |
| send_file | queue_id      | have this message tried now                              |
| rfrsh     |               | have the mail of logs tried that were not visited lately |
| purge     |               | have the mail of all logs tried                          |

`ask` blocks and needs no loop, for commands; `ask_later` is for daemons.

Sources: ipc sheet section 3, flush.
"""

import os
import socket

from pyfix.unix import msg

PROTOCOL = "queue_flush_protocol"
OK, FAIL, BAD, DENY = 0, 0xFFFFFFFF, 3, 4
GREETING = f"protocol\0{PROTOCOL}\0\0".encode()
LIMIT = 4096  # bytes of a request or an answer


class MalformedError(Exception):
    """What came is none of this protocol's lists."""


def encode(**attributes: str | int) -> bytes:
    """One attribute list."""
    words = [str(word) for pair in attributes.items() for word in pair]
    return b"".join([word.replace("\0", "?").encode("utf-8", "surrogateescape") + b"\0" for word in words]) + b"\0"


def decode(buf: bytes) -> tuple[dict[str, str], bytes] | None:
    """The first attribute list, and what follows; None: it is not all there. MalformedError."""
    words: list[str] = []
    rest = buf
    while True:
        word, end, rest = rest.partition(b"\0")
        if not end:
            if len(buf) > LIMIT:
                raise MalformedError("attribute list too long")
            return None
        if not word and len(words) % 2 == 0:
            return dict(zip(words[::2], words[1::2], strict=True)), rest
        words.append(word.decode("utf-8", "surrogateescape"))


def ask(queue_directory: str, service: str = "flush", **request: str) -> int:
    """The status of a request. OSError: the service is not there, or has gone; MalformedError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        msg.debug(f"connect to subsystem public/{service}")
        sock.connect(os.path.join(queue_directory, "public", service))
        sock.sendall(encode(**request))
        buf = b""
        while data := sock.recv(LIMIT):
            buf += data
            status = _status(buf)
            if status is not None:
                return status
    raise ConnectionResetError(None, "lost connection")


async def ask_later(path: str, **request: str) -> int:
    """The status of a request. FAIL: the service is not there, or does not make sense."""
    import asyncio  # commands do without

    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return FAIL
    try:
        writer.write(encode(**request))
        buf = b""
        while data := await reader.read(LIMIT):
            buf += data
            status = _status(buf)
            if status is not None:
                return status
    except (OSError, MalformedError):
        pass
    finally:
        writer.close()
    return FAIL


def _status(buf: bytes) -> int | None:
    """The status behind the greeting; None: it is not there yet."""
    greeting = decode(buf)
    answer = None if greeting is None else decode(greeting[1])
    if greeting is None or answer is None:
        return None
    if greeting[0].get("protocol") != PROTOCOL or not answer[0].get("status", "").isdecimal():
        raise MalformedError("malformed answer of the flush service")
    return int(answer[0]["status"])
