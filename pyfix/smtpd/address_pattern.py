"""address_pattern - which IPv4 addresses in a DNS list's answer count

    127.0.0.2     127.0.0.[2..11]     127.0.[1;3..5].2

Source: postconf(5) reject_rbl_client.
"""

from __future__ import annotations

import re

OCTET = re.compile(r"[0-9]+", re.ASCII)
HIGHEST = 255


class BadPattern(ValueError):
    """Not a pattern; str() is Postfix's message, the trouble between > and <."""


class AddressPattern:
    """A pattern of four octets."""

    __slots__ = ("_octets", "_text")

    def __init__(self, text: str) -> None:
        """BadPattern when it is none."""
        if not text:
            raise BadPattern("empty address pattern")
        self._text = text
        at = 0
        self._octets: list[frozenset[str]] = []
        while True:
            values, at = self._octet(at)
            self._octets.append(values)
            if len(self._octets) == 4:
                break
            if text[at : at + 1] != ".":
                raise self._bad('need "." at', at)
            at += 1
        if at < len(text):
            raise self._bad("garbage after pattern at", at)

    def matches(self, address: str) -> bool:
        """Whether an address (as text) is one of them."""
        octets = address.split(".")
        return len(octets) == 4 and all(
            octet in values for octet, values in zip(octets, self._octets, strict=True)
        )

    def _octet(self, at: int) -> tuple[frozenset[str], int]:
        if self._text[at : at + 1] != "[":
            value, end = self._number(at, 'need decimal number 0..255 or "[" at')
            return frozenset({str(value)}), end
        values: set[str] = set()
        at += 1
        while True:
            first, last, at = self._range(at)
            values.update(str(value) for value in range(first, last + 1))
            mark = self._text[at : at + 1]
            if mark == "]":
                return frozenset(values), at + 1
            if mark != ";":
                raise self._bad('need ";" or "]" at', at)
            at += 1

    def _range(self, at: int) -> tuple[int, int, int]:
        first, end = self._number(at, "need decimal number 0..255 at")
        if self._text[end : end + 2] != "..":
            return first, first, end
        start = end + 2
        found = OCTET.match(self._text, start)
        if found is None:
            raise self._bad("need decimal number 0..255 at", start)
        last = int(found[0])
        if not first <= last <= HIGHEST:
            raise self._bad("numeric range error at", start)
        return first, last, found.end()

    def _number(self, at: int, problem: str) -> tuple[int, int]:
        found = OCTET.match(self._text, at)
        if found is None or int(found[0]) > HIGHEST:
            raise self._bad(problem, at)
        return int(found[0]), found.end()

    def _bad(self, problem: str, at: int) -> BadPattern:
        found = OCTET.match(self._text, at)
        end = found.end() if found else at + 1
        return BadPattern(f'{problem} "{self._text[:at]}>{self._text[at:end]}<{self._text[end:]}"')
