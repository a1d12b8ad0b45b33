"""A name server of the test's own, on a loopback port."""

import socket
import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

Records = dict[tuple[str, str], list[str] | str]
"""(name, type) -> texts; "SERVFAIL", "SILENT" or "GARBAGE" instead; a name that is nowhere is NXDOMAIN."""


class NameServer:
    def __init__(self, records: Records) -> None:
        self.records = records
        self.asked: list[tuple[str, str]] = []
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, client = self._sock.recvfrom(4096)
            if not data:
                self._sock.close()
                return
            answer = self._answer(dns.message.from_wire(data))
            if answer:
                self._sock.sendto(answer, client)

    def _answer(self, query: dns.message.Message) -> bytes:
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        answer = dns.message.make_response(query)
        alias = self.records.get((name, "CNAME"))
        found = self.records.get((name, kind))
        if found == "SILENT":
            return b""
        if found == "GARBAGE":
            return b"\xff" * 40
        if found == "SERVFAIL":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found is not None:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
        elif alias is not None:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", *alias))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()


@pytest.fixture
def name_server() -> Iterator:
    made: list[NameServer] = []

    def make(records: Records) -> NameServer:
        made.append(NameServer(records))
        return made[-1]

    yield make
    for server in made:
        server.close()
