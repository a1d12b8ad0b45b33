"""dbms - the parameters of tables that ask a server or a database

A table of such a type reads them from the file it names (TYPE:/path/to/file), or in the old style from
main.cf, where each has the table's name in front (ldap:staff has staff_server_host).
Whoever looks for tables in a value also sees the # that somebody meant to begin a comment.

redis: is ours.

Sources: ldap_table(5), mysql_table(5), pgsql_table(5), sqlite_table(5), memcache_table(5), mongodb_table(5).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pyfix.config.syntax import BadConfig, logical_lines, read_text, split_setting

_COMMON = "domain expansion_limit result_format "
_SQL = _COMMON + "query additional_conditions select_field table where_field "
_NETWORK = _SQL + "dbname hosts idle_interval password retry_interval user "

SUFFIXES = {
    kind: frozenset(names.split())
    for kind, names in {
        "ldap": _COMMON + "bind bind_dn bind_pw cache cache_expiry cache_size chase_referrals debuglevel dereference "
        "leaf_result_attribute query_filter recursion_limit result_attribute result_filter sasl_authz_id sasl_mechs "
        "sasl_minssf sasl_realm scope search_base server_host server_port size_limit special_result_attribute "
        "start_tls terminal_result_attribute timeout tls_ca_cert_dir tls_ca_cert_file tls_cert tls_cipher_suite "
        "tls_key tls_random_file tls_require_cert version",
        "memcache": "backup data_size_limit domain flags key_digest key_format line_size_limit max_try memcache "
        "retry_pause timeout ttl",
        "mongodb": _COMMON + "collection dbname projection query_filter result_attribute uri",
        "mysql": _NETWORK
        + "charset option_file option_group require_result_set tls_CAfile tls_CApath tls_cert_file tls_ciphers "
        "tls_key_file tls_verify_cert",
        "pgsql": _NETWORK + "encoding select_function",
        "redis": _COMMON + "hosts idle_interval password query retry_interval timeout tls_CAfile user",
        "sqlite": _SQL + "dbpath",
    }.items()
}

_SEPARATORS = ", \t\r\n"
_AROUND = re.compile(r"(?:proxy:|debug:)+")
_SHOWN = 20  # characters after the first word of a comment


class Table(NamedTuple):
    """A table that some value names: its type, and its file or old-style name."""

    kind: str
    name: str

    @property
    def is_file(self) -> bool:
        """Whether its parameters are in a file of their own."""
        return self.name.startswith(("/", "."))

    def parameters(self) -> Iterator[str]:
        """The names of its parameters in main.cf, if that is where they are."""
        if not self.is_file:
            yield from (f"{self.name}_{suffix}" for suffix in SUFFIXES[self.kind])


class Complaint(NamedTuple):
    """Something wrong with the words of a value; of_service: postconf names the service of master.cf, too."""

    text: str
    of_service: bool


def scan(text: str) -> Iterator[Table | Complaint]:
    """The tables that an expanded value names, at any depth of braces, and what is wrong with its words.

    A comment ends the list that it stands in.
    """
    if ":" not in text and "#" not in text and "{" not in text:
        return
    for word, rest in _words(text):
        if word.startswith("#"):
            shown = f"{word} {rest[:_SHOWN]}"
            yield Complaint(f"#comment after other text is not allowed: {shown}...", of_service=False)
            return
        kind, colon, name = _AROUND.sub("", word).partition(":")
        if word.startswith("{"):
            yield from _scan_inside(word)
        elif name.startswith("{"):
            yield from _scan_inside(name)
        elif colon and name and kind in SUFFIXES:
            yield Table(kind, name)


def _scan_inside(word: str) -> Iterator[Table | Complaint]:
    """What is in the braces that a word begins with."""
    end = _closing(word)
    if end < 0:
        yield Complaint(f"missing '}}' in \"{word}\"", of_service=True)
    elif end < len(word) - 1:
        yield Complaint(f"syntax error after '}}' in \"{word}\"", of_service=True)
    yield from scan(word[1:] if end < 0 else word[1:end])


def _closing(word: str) -> int:
    """The place of the brace that closes the first one, -1 when there is none."""
    depth = 0
    for at, char in enumerate(word):
        depth += (char == "{") - (char == "}")
        if not depth:
            return at
    return -1


def _words(text: str) -> Iterator[tuple[str, str]]:
    """The words of a list, each with the text after it. Balanced braces keep a word together."""
    begin, depth = -1, 0
    for at, char in enumerate(text):
        if begin < 0 and char not in _SEPARATORS:
            begin = at
        if begin >= 0 and depth <= 0 and char in _SEPARATORS:
            yield text[begin:at], text[at + 1 :]
            begin, depth = -1, 0
        depth += (char == "{") - (char == "}" and depth > 0)
    if begin >= 0:
        yield text[begin:], ""


def unused_in_file(table: Table) -> Iterator[str]:
    """Warnings of settings in a table's own file that tables of its type don't have, or of its not being there."""
    try:
        lines = list(logical_lines(read_text(table.name)))
    except BadConfig as problem:
        reason = str(problem).removeprefix(f"open {table.name}: ")
        yield f'open "{table.kind}" configuration "{table.name}": {reason}'
        return
    for line in lines:
        try:
            name, value = split_setting(line.text)
        except ValueError:
            continue  # whoever opens the table says so
        if name not in SUFFIXES[table.kind]:
            yield f"{table.kind}:{table.name}: unused parameter: {name}={value}"
