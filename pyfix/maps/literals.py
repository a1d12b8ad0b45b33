"""literals - text that must stand in whatever a regular expression matches

    required(rb"^From: .*@(casino|lottery)\\.example", perl=False)     (b"casino", b"lottery")

The result is a choice, in lower case: one of these is in every text that matches, whatever
the case. What is not plain is not guessed at: then there is no result, and the expression
must be tried on every text.

Sources: regex(7), pcre2pattern(3).
"""

import re

Choice = tuple[bytes, ...]
"""Texts of which one is needed; () when nothing is known."""

_QUANTIFIER = re.compile(rb"[*+?]|\{([0-9]{1,4})(?:,[0-9]{0,4})?\}")
_PUNCTUATION = frozenset(rb"""!"#%&*+,-./:;=?@[\]^_{|}~$()""")  # escaped, these stand for themselves
_PERL_CLASSES = frozenset(b"dDwWsSbBAZzhHvVRtnrfae")  # escaped, one character or none
_PERL_GROUP = re.compile(rb"\?:")
_CLASS = re.compile(rb"\[\^?\]?(?:\[:\w+:\]|\[=.=\]|\[\..\.\]|[^\]\[])*\]")
_PERL_CLASS = re.compile(rb"\[\^?\]?(?:\[:\^?\w+:\]|\\[^QE]|[^\]\[\\])*\]", re.DOTALL)
_MOST = 20  # a longer choice would sort out little


class _Unknown(ValueError):
    """Something that is not understood here."""


def required(pattern: bytes, *, perl: bool) -> Choice:
    """The choice for an extended POSIX expression, or one of PCRE without its flag x."""
    parser = _Parser(pattern, perl=perl)
    try:
        choice = parser.alternatives()
        return choice if parser.at == len(pattern) and len(choice) <= _MOST else ()
    except (_Unknown, RecursionError):
        return ()


class _Parser:
    """Reads one expression; `at` is where it has got to."""

    def __init__(self, pattern: bytes, *, perl: bool) -> None:
        self.at = 0
        self._pattern = pattern
        self._perl = perl

    def alternatives(self) -> Choice:
        """Up to the end of a group: each alternative must need something."""
        found = [self._sequence()]
        while self._next() == b"|":
            self.at += 1
            found.append(self._sequence())
        return tuple(dict.fromkeys(literal for choice in found for literal in choice)) if all(found) else ()

    def _sequence(self) -> Choice:
        """Of all that an alternative needs, what is likely to be rarest."""
        best: Choice = ()
        run = b""
        while self._next() not in (b"", b"|", b")"):
            literal, choice = self._atom()
            least, repeats = self._quantifier()
            if least and literal and not repeats:
                run += literal
                continue
            best = _better(best, _choice(run + literal if least else run))
            if least:
                best = _better(best, choice)
            run = b""
        return _better(best, _choice(run))

    def _next(self) -> bytes:
        return self._pattern[self.at : self.at + 1]

    def _atom(self) -> tuple[bytes, Choice]:
        """One element: its text if it is plain, and what it needs if it is a group."""
        char = self._next()
        self.at += 1
        if char == b"(":
            return b"", self._group()
        if char == b"[":
            self._class()
        elif char == b"\\":
            return self._escape(), ()
        elif char in (b"*", b"+", b"?", b"{"):
            raise _Unknown
        elif char not in (b".", b"^", b"$"):
            return char, ()
        return b"", ()

    def _group(self) -> Choice:
        if self._next() in (b"?", b"*"):
            match = _PERL_GROUP.match(self._pattern, self.at) if self._perl else None
            if match is None:
                raise _Unknown
            self.at = match.end()
        choice = self.alternatives()
        if self._next() != b")":
            raise _Unknown
        self.at += 1
        return choice

    def _class(self) -> None:
        match = (_PERL_CLASS if self._perl else _CLASS).match(self._pattern, self.at - 1)
        if match is None:
            raise _Unknown
        self.at = match.end()

    def _escape(self) -> bytes:
        char = self._next()
        self.at += 1
        if char and char[0] in _PUNCTUATION:
            return char
        if self._perl and char and char[0] in _PERL_CLASSES:
            return b""
        raise _Unknown

    def _quantifier(self) -> tuple[bool, bool]:
        """Whether the element before is there at least once, and whether there is a quantifier."""
        match = _QUANTIFIER.match(self._pattern, self.at)
        if match is None:
            return True, False
        self.at = match.end()
        if self._perl and self._next() in (b"?", b"+"):
            self.at += 1
        if _QUANTIFIER.match(self._pattern, self.at):
            raise _Unknown
        return match[0] == b"+" or int(match[1] or 0) > 0, True


def _choice(run: bytes) -> Choice:
    return (run.lower(),) if run else ()


def _better(one: Choice, other: Choice) -> Choice:
    """The one whose shortest text is longer, then that of fewer texts."""
    return max(one, other, key=lambda choice: (min(map(len, choice), default=0), -len(choice)))
