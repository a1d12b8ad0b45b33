"""sink - takes mail, answers at once, forgets it: where smtp-sink is not installed

usage: python -m bench.sink HOST:PORT

At SIGTERM the number of messages is printed as smtp-sink -c does: mesg=N.
"""

from __future__ import annotations

import asyncio
import signal
import sys

ANSWERS = {
    b"EHLO": b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    b"DATA": b"354 End data with <CR><LF>.<CR><LF>\r\n",
    b"QUIT": b"221 Bye\r\n",
}
END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One session."""

    messages = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""
        self._in_data = False
        transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._data() if self._in_data else self._command():
            pass

    def _command(self) -> bool:
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return False
        verb = line[:4].upper()
        self._in_data = verb == b"DATA"
        # What follows DATA begins with the line end that may belong to a lone dot.
        self._buffer = end + rest if self._in_data else rest
        self._transport.write(ANSWERS.get(verb, b"250 2.0.0 Ok\r\n"))
        if verb == b"QUIT":
            self._transport.close()
        return True

    def _data(self) -> bool:
        _, end, rest = self._buffer.partition(END)
        if not end:
            self._buffer = self._buffer[1 - len(END) :]
            return False
        self._buffer, self._in_data = rest, False
        Sink.messages += 1
        self._transport.write(b"250 2.0.0 Ok\r\n")
        return True


async def serve(address: str) -> None:
    """Serve until SIGTERM."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, host, int(port), backlog=1000)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.close()
    print(f"mesg={Sink.messages}")


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
