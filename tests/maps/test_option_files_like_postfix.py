"""Option files of tables, each with one thing that may be wrong: real postmap's words and ours.

Not compared: the line's number, which only ours tells, and what is said of servers that nobody runs here.
"""

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pyfix.maps.open import open_or_fail
from pyfix.maps.table import OpenError, TableError
from pyfix.unix import msg

Run = Callable[..., "CompletedProcess[bytes]"]

NUMBERS = ["0", "1", "-1", "10", "x", "1x", "2147483648", "99999999999999999999", "", "0x10", "+3", "1 2", "1h", "5.5"]
FLAGS = ["yes", "YES", "true", "1", "", "y", "yes no"]
TEXTS = ["%s", "%u@%d", "%", "%x", "%%", "%S %U %D", "%1", "%0", "$name", "${x", "", "\u00e9", "%s%", "{"]
GIVEN = [text for text in TEXTS if text]
DOMAINS = ["", "b.c", "b.c x", "!b.c", "inline:{b.c=x}"]
COMMON = {"result_format": TEXTS, "expansion_limit": NUMBERS, "domain": DOMAINS}
SQL = COMMON | {"query": ["", *[f"SELECT '{text}'" for text in TEXTS]], "table": ["", "t"]}
KINDS: dict[str, tuple[str, dict[str, list[str]]]] = {
    "sqlite": ("dbpath = {here}/db\nquery = SELECT 'v@w.x'\n", SQL | {"dbpath": [""]}),
    "memcache": (
        "memcache = inet:127.0.0.1:1\nbackup = static:v\nmax_try = 1\nretry_pause = 1\n",
        dict.fromkeys(("flags", "ttl", "line_size_limit", "data_size_limit"), NUMBERS)
        | {"key_format": GIVEN, "domain": DOMAINS},
    ),
    "ldap": (
        "server_host = ldap://127.0.0.1:1\nsearch_base = dc=x\ntimeout = 1\n",
        COMMON
        | {"result_format": GIVEN, "search_base": TEXTS, "query_filter": GIVEN}
        | {"size_limit": NUMBERS, "chase_referrals": FLAGS},
    ),
    "mysql": ("hosts = 127.0.0.1:1\ndbname = d\nquery = SELECT 1\n", SQL | {"require_result_set": FLAGS}),
    "pgsql": ("hosts = 127.0.0.1:1\ndbname = d\nquery = SELECT 1\n", SQL),
}
ODD = [
    "", "# c", " # c", "name", "= x", "name value", " more", "a = b = c", "unknown = x", "query", "x=", "9 = 9",
    "a.b = c", "%s", "\u00e9 = x", "a = b\n a = c", "a = b\n#\n c", "a = b\na = b", "a = b\na = c",
]  # fmt: skip
OF_SERVERS = re.compile(r"dict_ldap_|connect to|server |lookup error|recommended|memcache|uninitialized")


def told(text: str) -> list[str]:
    """What is said of the file itself."""
    lines = [line.removeprefix("postmap: ") for line in text.splitlines()]
    place = re.compile(r"(query error): .*|\.cf, line \d+(?=: (?:bad|invalid))")
    lines = [place.sub(lambda match: match[1] or ".cf", line) for line in lines]
    return [line for line in lines if not OF_SERVERS.search(line)]


def ours(spec: str) -> tuple[str, list[str]]:
    lines: list[str] = []
    value = ""
    before = msg.to(lambda _, text: lines.append(text))
    try:
        value = open_or_fail(spec).lookup_now("a@b.c") or ""
    except OpenError as error:
        lines.append(f"fatal: {error}")
    except TableError as error:
        lines.append(f"fatal: table {error.table}: query error")
    finally:
        msg.to(*before)
    return value, told("\n".join(lines))


def cases(kind: str) -> list[str]:
    base, names = KINDS[kind]
    files = [f"{base}{line}\n" for line in ODD]
    for name, values in names.items():
        others = re.sub(rf"(?m)^{name} = .*\n", "", base)
        files += [others, *[f"{others}{name} = {value}\n" for value in values]]
    return files


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_is_told_as_postfix_tells_it(here: Path, postfix: Run, kind: str) -> None:
    if not Path(f"/usr/lib/postfix/postfix-{kind}.so").exists() and kind != "memcache":
        pytest.skip(f"real Postfix's {kind} plug-in is not installed")
    (here / "db").touch()
    specs = {}
    for number, text in enumerate(cases(kind)):
        path = here / f"t{number}.cf"
        path.write_text(text.replace("{here}", str(here)))
        os.utime(path, (1000, 1000))  # a fresh one makes Postfix wait
        specs[text] = f"{kind}:{path}"
    with ThreadPoolExecutor(40) as pool:  # it waits a second when it fails
        done = list(pool.map(lambda spec: postfix("postmap", "-q", "a@b.c", spec), specs.values()))
    real = {
        text: (each.stdout.decode().removesuffix("\n"), told(each.stderr.decode(errors="replace")))
        for text, each in zip(specs, done, strict=True)
    }
    found = {text: ours(spec) for text, spec in specs.items()}
    assert {text: (real[text], found[text]) for text in specs if real[text] != found[text]} == {}
