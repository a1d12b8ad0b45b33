"""idle - w9 and w12: what a system costs that has nothing to do, or only clients that say nothing"""

from __future__ import annotations

import socket
import time
from functools import partial

from bench.instance import MASTER_CF, PATIENCE, Instance, Missing
from bench.load import Load, send
from bench.workload import Case, Figures, Workload, at_most, no_more

SETTLE = 2.0
WATCHED = 10.0


def idle(mail: Instance) -> Figures:
    """Start, memory, memory after a message into a Maildir, CPU while nothing happens."""
    time.sleep(SETTLE)
    figures = {"start s": mail.start_seconds, "PSS MB after start": mail.pss_mb()}
    send(mail.port, Load(1, to="user@bench.test"))
    mail.wait_sent(1)
    time.sleep(SETTLE)
    figures["PSS MB after a message"] = mail.pss_mb()
    with mail.section(1) as section:
        time.sleep(WATCHED)
    figures["CPU ms/s"] = 1000 * section.cpu / section.seconds
    return figures


def connected(mail: Instance, connections: int) -> Figures:
    """Memory for each client that was greeted and says nothing; then each must still be served."""
    with _client(mail):
        before = mail.pss_mb()
    clients: list[socket.socket] = []
    try:
        clients.extend(_client(mail) for _ in range(connections))
        after = mail.pss_mb()
        for client in clients:
            client.sendall(b"NOOP\r\n")
        if any(not client.recv(100).startswith(b"250") for client in clients):
            raise Missing(f"{mail.kind.name}: a client is not served any more")
    finally:
        for client in clients:
            client.close()
    return {"KiB/connection": 1024 * (after - before) / connections}


def _client(mail: Instance) -> socket.socket:
    """Connected, and greeted."""
    client = socket.create_connection(("127.0.0.1", mail.port), PATIENCE)
    if not client.recv(500).startswith(b"220"):
        raise Missing(f"{mail.kind.name}: a client is not greeted")
    return client


SMTPD, _, _ = MASTER_CF.partition("\n")

W9 = Workload("w9", "a system with nothing to do", (
    Case(
        "idle",
        idle,
        (
            no_more("start s", 0.6),
            no_more("PSS MB after start", 45),
            no_more("PSS MB after a message", 45),
            no_more("CPU ms/s", 0.3),
        ),
        pairs=2,
    ),
))
W12 = Workload("w12", "idle connections to smtpd", (
    Case(
        "1,000 connections",
        partial(connected, connections=1000),
        (at_most("KiB/connection", 0.05),),
        master_cf=SMTPD.replace(" - - smtpd", " - 1100 smtpd") + "\n",
        pairs=2,
    ),
))
