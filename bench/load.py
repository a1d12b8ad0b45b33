"""load - clients that send and a server that takes: Postfix's smtp-source and smtp-sink, else our own"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from bench.instance import PATIENCE, Missing, free_port, wait_for

PATH = "/usr/sbin:/usr/bin:/usr/local/sbin"


@dataclass(frozen=True)
class Load:
    """What to send: so many messages, over so many connections at once, each message on a new one."""

    messages: int
    connections: int = 1
    size: int = 4096
    to: str = "user@example.org"
    recipients: int = 1
    domains: int = 1
    """With several, recipients are spread over d0.test, d1.test, ..."""
    tls: str = ""
    """`full`: a new handshake for each message; `resume`: sessions are taken up again."""


def send(port: int, load: Load) -> None:
    """Send it all; returns when everything was acknowledged. Missing if something was not."""
    source = shutil.which("smtp-source", path=PATH)
    plain = source is not None and load.recipients == load.domains == 1 and not load.tls
    words = _smtp_source(str(source), load) if plain else _own_source(load)
    words.append(f"127.0.0.1:{port}")
    done = subprocess.run(words, check=False, capture_output=True, timeout=10 * PATIENCE)
    if done.returncode:
        raise Missing(f"{words[0]}: {(done.stderr or done.stdout).decode(errors='replace')[-500:]}")


def _smtp_source(path: str, load: Load) -> list[str]:
    words = [path, "-s", str(load.connections), "-m", str(load.messages), "-l", str(load.size)]
    return [*words, "-f", "sender@example.com", "-t", load.to]


def _own_source(load: Load) -> list[str]:
    words = [sys.executable, "-m", "bench.source", "--connections", str(load.connections)]
    words += ["--messages", str(load.messages), "--size", str(load.size), "--to", load.to]
    words += ["--recipients", str(load.recipients), "--domains", str(load.domains)]
    return [*words, "--tls", load.tls] if load.tls else words


class Sink:
    """A running server that takes mail and forgets it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.messages: int | None = None
        """How many it took; known after it ended."""


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    """A server on a port of 127.0.0.1."""
    port = free_port()
    found = Sink(port)
    with tempfile.TemporaryFile() as counters:
        process = subprocess.Popen(_sink_words(port), stdout=counters, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: _listens(port), PATIENCE, "the sink does not listen")
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
            counters.seek(0)
            counts = re.findall(rb"mesg=(\d+)", counters.read())
            found.messages = int(counts[-1]) if counts else None


def _sink_words(port: int) -> list[str]:
    path = shutil.which("smtp-sink", path=PATH)
    if path is None:
        return [sys.executable, "-m", "bench.sink", f"127.0.0.1:{port}"]
    user = ["-u", "postfix"] if os.geteuid() == 0 else []
    return [path, "-c", *user, f"127.0.0.1:{port}", "1000"]


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True
