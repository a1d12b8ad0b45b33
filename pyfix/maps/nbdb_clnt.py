"""nbdb_clnt - ask nbdb_reindexd to make the index file of a hash: or btree: table in its new type

One request is one connection, in Postfix's own form (pyfix.wire.attr):

    server   protocol
    client   nbdb_type nbdb_path
    server   status reason        status 0: the index is there; else reason says why not

Parameters: non_bdb_migration_service_name, queue_directory, ipc_timeout. Sources: nbdb_reindexd(8).
"""

import socket
from typing import Any

from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.config.params.nbdb_reindexd import NbdbReindexdParams
from pyfix.wire.attr import INT, STR, AttrError, Form

PROTOCOL = "nbdb_reindex"
GREETING = Form(("protocol", STR))
REQUEST = Form(("nbdb_type", STR), ("nbdb_path", STR))
REPLY = Form(("status", INT), ("reason", STR))

LONGEST = 65536  # bytes of a list


def request(main: MainCf, table_type: str, path: str) -> str:
    """Have the index of this table made; waits for it. Returns why that can't be, "" when it is there."""
    mail = MailParams(main)
    where = f"{mail.queue_directory}/private/{NbdbReindexdParams(main).non_bdb_migration_service_name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(mail.ipc_timeout)
        step = f"connection to {where} service"
        try:
            sock.connect(where)
            step = f"error receiving {where} service initial response"
            greeting, *_ = receive(sock, GREETING)
            if greeting != PROTOCOL:
                return step
            step = f"error sending request to {where} service"
            sock.sendall(REQUEST.encode(table_type, path))
            step = f"error receiving response from {where} service"
            status, reason = receive(sock, REPLY)
        except (OSError, AttrError) as error:
            return f"{step}: {(isinstance(error, OSError) and error.strerror) or error}"
    return str(reason or step) if status else ""


def receive(sock: socket.socket, form: Form) -> list[Any]:
    """The values of a list that comes from the other end. OSError, AttrError."""
    data = b""
    while data.count(b"\0") <= 2 * len(form.fields):
        more = sock.recv(4096)
        if not more:
            raise ConnectionResetError(None, "lost connection")
        data += more
        if len(data) > LONGEST:
            raise AttrError("list too long")
    return form.decode(data)
