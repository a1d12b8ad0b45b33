"""tables - lookups a second and memory of large tables; regular expressions beside real Postfix

    python -m bench.tables          everything, about a minute

Each figure is the best of five runs over random keys.
"""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pyfix.maps.open import open_or_fail

ENTRIES = 1_000_000
NETWORKS = 100_000
EXPRESSIONS = 1_000
KEYS = 100_000

WORDS = ["alpha", "casino", "lottery", "bitcoin", "urgent", "invoice", "mailer", "tracking", "parcel", "winner"]
FORMS = [
    "/^Subject: .*{word}{number:x}/ REJECT {number}",
    "/^From: .*@{word}-{number:x}\\.example\\.com/ REJECT",
    "/{word}[0-9]+{number:x}(foo|bar)/ REJECT $1",
    "/^X-({word}|Mailer{number:x}): / WARN",
    "/^{word}{number}\\.(dyn|dial)\\./ REJECT",
]
LINES = [
    "Subject: hello world this is a mail about something",
    "Received: from mail.example.com (mail.example.com [192.0.2.1]) by mx.example.net (Postfix) with ESMTPS id 4ABC",
    "user@example.com",
    "From: somebody <x@example.org>",
]


def microseconds(lookup: Callable[[str], object], keys: list[str]) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for key in keys:
            lookup(key)
        best = min(best, time.perf_counter() - start)
    return 1e6 * best / len(keys)


def write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)


def private_megabytes() -> float:
    """What this process has for itself, but for pages of files."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty")) / 1024


def postmap(top: Path) -> None:
    numbers = random.Random(1)
    users = (f"user{numbers.getrandbits(40):x}@example{at % 500}.com box{at}@backend.example" for at in range(ENTRIES))
    write(top / "big", users)
    start = time.perf_counter()
    command = [sys.executable, "-m", "pyfix.commands.postmap", "-c", str(top), f"lmdb:{top}/big"]
    subprocess.run(command, check=True)
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"postmap of {ENTRIES} lines: {took:.1f} s, {peak:.0f} MB at its largest")


def lmdb(top: Path) -> None:
    with open(top / "big") as file:
        keys = random.Random(2).sample([line.split()[0] for line in file], KEYS)
    before = private_megabytes()
    table = open_or_fail(f"lmdb:{top}/big")
    taken = microseconds(table.lookup_now, keys)
    assert table.lookup_now(keys[0])
    grown = private_megabytes() - before
    print(f"lmdb, {ENTRIES} entries: {1e6 / taken:.0f} lookups a second, {grown:.1f} MB of private memory")


def cidr(top: Path) -> None:
    numbers = random.Random(3)
    networks = {numbers.getrandbits(24) for _ in range(NETWORKS + NETWORKS // 50)}
    write(top / "networks", (f"{n >> 16}.{n >> 8 & 255}.{n & 255}.0/24 REJECT {n % 10}" for n in networks))
    start = time.perf_counter()
    table = open_or_fail(f"cidr:{top}/networks")
    opened = time.perf_counter() - start
    keys = [".".join([str(numbers.randrange(256)) for _ in range(4)]) for _ in range(KEYS)]
    print(
        f"cidr, {len(networks)} networks: {microseconds(table.lookup_now, keys):.2f} us a lookup,"
        f" opened in {opened:.1f} s"
    )


def expressions(top: Path, table_type: str) -> None:
    numbers = random.Random(4)
    words = (numbers.choice(WORDS) for _ in range(EXPRESSIONS))
    rules = (
        FORMS[at % 5].format(word=word, number=numbers.getrandbits(24)) for at, word in enumerate(words)
    )
    write(top / "patterns", rules)
    spec = f"{table_type}:{top}/patterns"
    ours = microseconds(open_or_fail(spec).lookup_now, LINES * 20)
    few, many = postfix_seconds(top, spec, 1), postfix_seconds(top, spec, 200)
    theirs = f"{1e6 * (many - few) / (199 * len(LINES)):.0f}" if few else "?"
    print(f"{table_type}, {EXPRESSIONS} expressions: {ours:.0f} us a lookup, real Postfix {theirs}")


def postfix_seconds(top: Path, spec: str, times: int) -> float:
    """How long real `postmap -q -` takes for so many times the lines; 0 where there is none."""
    if not Path("/usr/sbin/postmap").exists():
        return 0
    lines = ("\n".join(LINES * times) + "\n").encode()
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(
            ["/usr/sbin/postmap", "-c", str(top), "-q", "-", spec], input=lines, check=False, capture_output=True
        )
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    top = Path(tempfile.mkdtemp(prefix="bench-tables-"))
    write(top / "main.cf", ["compatibility_level = 3.6"])
    try:
        postmap(top)
        lmdb(top)
        cidr(top)
        for table_type in ("regexp", "pcre"):
            expressions(top, table_type)
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    main()
