"""memory - a resolver that knows what it was told, for tests"""

from __future__ import annotations

from pyfix.dns import answer
from pyfix.dns.answer import NotFound, Record
from pyfix.mail.error import MailError


class MemoryResolver:
    """records: by (name, kind); a MailError there is raised. `asked` collects the questions."""

    def __init__(self, records: dict[tuple[str, str], list[Record] | MailError]) -> None:
        self._records = records
        self.asked: list[tuple[str, str]] = []

    async def lookup(self, name: str, kind: str) -> list[Record]:
        """What was told, else NotFound."""
        self.asked.append((name, kind))
        found = self._records.get((name, kind))
        if isinstance(found, MailError):
            raise found
        if found is None:
            exists = any(known == name for known, _ in self._records)
            raise NotFound(answer.name_error(name, kind, answer.NO_DATA if exists else answer.NO_NAME), exists=exists)
        return list(found)
