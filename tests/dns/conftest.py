"""A name server of the test's own, on a loopback port."""

import os
import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

Records = dict[tuple[str, str], list[str] | str]
"""(name, type) -> texts, or one word instead: a code like "SERVFAIL" or "REFUSED"; "SILENT", "GARBAGE"; "CUT" for
an answer that is complete only by TCP, "CUT SHORT" where TCP is silent; "OTHER NAME", "OTHER TYPE", "OTHER QUESTION",
"OTHER ID" for an answer to what nobody asked. A name that is nowhere is NXDOMAIN."""


DATA = {"MX": ["10 good.test."], "A": ["127.0.0.9"], "AAAA": ["::9"]}

OWN_ADDRESS = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""Where this process alone may listen on port 53: tests run in several."""


class NameServer:
    def __init__(self, records: Records, address: str = "127.0.0.1", port: int = 0) -> None:
        self.records = records
        self.asked: list[tuple[str, str]] = []
        self.follows = False
        """Whether an answer about an alias has what the alias leads to, too."""
        self._listener = socket.create_server((address, port))
        self.address = self._listener.getsockname()
        self.port = self.address[1]
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(self.address)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._serve, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def _serve(self) -> None:
        while True:
            data, client = self._sock.recvfrom(4096)
            if not data:
                self._sock.close()
                return
            answer = self._answer(dns.message.from_wire(data))
            if answer:
                self._sock.sendto(answer, client)

    def _serve_tcp(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            with sock, sock.makefile("rb") as stream:
                length = stream.read(2)
                if not length:
                    self._listener.close()
                    return
                query = dns.message.from_wire(stream.read(int.from_bytes(length, "big")))
                answer = self._answer(query, tcp=True)
                sock.sendall(len(answer).to_bytes(2, "big") + answer)

    def _answer(self, query: dns.message.Message, *, tcp: bool = False) -> bytes:
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        answer = dns.message.make_response(query, recursion_available=True)
        alias = self.records.get((name, "CNAME"))
        found = self.records.get((name, kind))
        if found == "SILENT":
            return b""
        if found == "GARBAGE":
            return b"\xff" * 40
        if found == "CUT" or found == "CUT SHORT":
            if not tcp:
                answer.flags |= dns.flags.TC
            elif found == "CUT SHORT":
                return b""
            else:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *DATA[kind]))
        elif isinstance(found, str) and found.startswith("OTHER"):
            return _lie(answer, question, kind, found)
        elif isinstance(found, str):
            answer.set_rcode(dns.rcode.from_text(found))
        elif found is not None:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
        elif alias is not None:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", *alias))
            if self.follows:
                self._follow(answer, alias[0], kind)
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire(want_shuffle=False)

    def _follow(self, answer: dns.message.Message, alias: str, kind: str) -> None:
        name = alias.removesuffix(".").lower()
        found = self.records.get((name, kind))
        if isinstance(found, list):
            answer.answer.append(dns.rrset.from_text(alias, 60, "IN", kind, *found))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self.address)
        socket.create_connection(self.address).close()
        for thread in self._threads:
            thread.join()


def _lie(answer: dns.message.Message, question: dns.rrset.RRset, kind: str, how: str) -> bytes:
    other = "A" if kind == "MX" else "MX"
    name = dns.name.from_text("elsewhere.test.") if how == "OTHER NAME" else question.name
    kind = other if how == "OTHER TYPE" else kind
    answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *DATA[kind]))
    if how == "OTHER ID":
        answer.id ^= 1
    if how == "OTHER QUESTION":
        answer.question = [dns.rrset.RRset(dns.name.from_text("what.test."), question.rdclass, question.rdtype)]
    return answer.to_wire(want_shuffle=False)


@pytest.fixture
def name_server() -> Iterator:
    made: list[NameServer] = []

    def make(records: Records, *where: str | int) -> NameServer:
        made.append(NameServer(records, *where))
        return made[-1]

    yield make
    for server in made:
        server.close()
