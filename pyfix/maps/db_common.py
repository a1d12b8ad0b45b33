"""db_common - what tables that ask databases and directories have in common

    query = Template("SELECT v FROM t WHERE k = '%s'", name="query")
    query.expand(key, quote=escape)               None: the key lacks a part that is asked for
    answer = Answers(cfg, ...).joined(key, rows)

    %s  the whole key (in result_format: the value found)     %u  its localpart, or all of it
    %d  its domain                                            %%  a percent sign
    %S %U %D  the same of the key, in result_format too       %1 ... %9  labels of the key's
              domain, the last one first

Values are quoted for where they go by `quote`, which the table type gives.

Parameters: domain, result_format, expansion_limit. Sources: mysql_table(5), ldap_table(5).
"""

import re
from collections.abc import Callable, Iterable, Iterator

from pyfix.config.param import Int, Params, Str
from pyfix.maps.match import StringMatch
from pyfix.maps.run_now import run_now
from pyfix.maps.table import OpenError, TableError, is_utf8
from pyfix.unix import msg

Quote = Callable[[str], str]

_PART = re.compile(r"%(.?)", re.DOTALL)


class DomainParams(Params):
    """Parameters of every such table."""

    domain = Str("")


class DbParams(DomainParams):
    """Those of every table whose values are put together."""

    result_format = Str("%s")
    expansion_limit = Int("0", min=0)


def _part(letter: str, whole: str, local: str, domain: str) -> str:
    """What stands for %s, %u, %d or %1 to %9 of an address; "" when it is not there."""
    if letter == "s":
        return whole
    if letter == "u":
        return local
    if letter == "d":
        return domain
    labels = [label for label in domain.split(".") if label]
    return labels[-int(letter)] if int(letter) <= len(labels) else ""


def _taken_apart(text: str) -> tuple[str, str, str]:
    """All, localpart, domain: without `@` all of it is the localpart."""
    local, at, domain = text.rpartition("@")
    return (text, local, domain) if at else (text, text, "")


def plain(text: str) -> str:
    """No quotes."""
    return text


class Template:
    """A text with % in it. OpenError for a letter that means nothing."""

    def __init__(self, text: str, *, name: str, table: str) -> None:
        """name: the parameter's, for messages."""
        self._texts: list[str] = []  # what stands before each letter, and after the last
        self._letters: list[str] = []
        at, before = 0, ""
        for match in _PART.finditer(text):
            letter = match[1]
            if letter not in set("%sudSUD123456789") or not letter:
                raise OpenError(_bad_template(text, name, table))
            before += text[at : match.start()]
            at = match.end()
            if letter == "%":
                before += "%"
                continue
            self._texts.append(before)
            self._letters.append(letter)
            before = ""
        self._texts.append(before + text[at:])
        self._whole = all(letter == "s" for letter in self._letters)

    @property
    def fixed(self) -> bool:
        """Whether nothing is replaced in it."""
        return not self._letters

    def parts(self, value: str, key: str | None = None) -> list[str] | None:
        """What goes into the text; None when a part is missing.

        key: where %S, %U, %D and %1 to %9 come from, when it is not the value itself.
        """
        if self._whole:
            return [value] * len(self._letters) if value or not self._letters else None
        of_value = _taken_apart(value)
        of_key = of_value if key is None else _taken_apart(key)
        found = []
        for letter in self._letters:
            part = _part(letter.lower(), *(of_value if letter.islower() else of_key))
            if not part:
                return None
            found.append(part)
        return found

    def filled(self, parts: list[str], quote: Quote = plain) -> str:
        """The text with these parts in it."""
        if not parts:
            return self._texts[0]
        pieces = [text + quote(part) for text, part in zip(self._texts, parts, strict=False)]
        return "".join(pieces) + self._texts[-1]

    def expand(self, value: str, key: str | None = None, *, quote: Quote = plain) -> str | None:
        """The text with the value's parts in it; None when a part is missing. key: see parts."""
        parts = self.parts(value, key)
        return None if parts is None else self.filled(parts, quote)


def _bad_template(text: str, name: str, table: str) -> str:
    kind = "result" if name == "result_format" else "query"
    return f"db_common_parse: {table.partition(':')[2]}: Invalid {kind} template: {text}"


class Keys:
    """Which keys are looked up. name: the table's type:name."""

    def __init__(self, cfg: DomainParams, table_type: str, name: str) -> None:
        self.name = f"{table_type}:{name}"
        self._domains = StringMatch(cfg.domain, name=f"{name}:domain") if cfg.domain else None

    def wants(self, key: str) -> bool:
        """Whether the key is one that can be there, and that `domain` lets through.

        No database has keys that are not UTF-8, or with NUL in them. TableError: a table in the list
        of domains can't answer.
        """
        if not key or "\0" in key or not is_utf8(key):
            return False
        if self._domains is None:
            return True
        local, _, domain = key.rpartition("@")
        return bool(local and domain) and run_now(self._domains.matches(domain))


class Answers(Keys):
    """Which keys are looked up, and what is made of that which was found."""

    def __init__(self, cfg: DbParams, table_type: str, name: str, *, result_format: str = "") -> None:
        """result_format: in place of the parameter. OpenError: a bad template."""
        super().__init__(cfg, table_type, name)
        self._type = table_type
        self._where = name
        self._limit = cfg.expansion_limit
        self._format = Template(result_format or cfg.result_format, name="result_format", table=self.name)

    def joined(self, key: str, values: Iterable[str | None]) -> str | None:
        """The formatted values, joined by commas; None when there are none. TableError: too many."""
        found: list[str] = []
        for text in self.formatted(key, values):
            found.append(text)
            if 0 < self._limit < len(found):
                self.too_many(key)
        return ",".join(found) if found else None

    def formatted(self, key: str, values: Iterable[str | None]) -> Iterator[str]:
        """What result_format makes of the values, as many as there are; empty ones are warned about."""
        for value in values:
            if value == "":
                msg.warning(f'table "{self.name}": empty lookup result for: "{key}" -- ignored')
            text = self._format.expand(value, key) if value else None
            if text is not None:
                yield text

    def too_many(self, key: str) -> None:
        """More values than expansion_limit: TableError."""
        colon = "" if self._type == "sqlite" else ":"  # as in Postfix
        if self._type == "mongodb":
            msg.warning(f"{self.name}: expansion limit exceeded for key: '{key}'")
        else:
            msg.warning(f"dict_{self._type}_lookup: {self._where}: Expansion limit exceeded for key{colon} '{key}'")
        raise TableError(self.name, "")
