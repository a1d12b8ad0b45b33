"""Every parameter is read by some program, or pyfix.config.pending says that it is not; never both."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pyfix.config import families, pending, registry
from pyfix.config.expand import references
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import Line, parse_service
from pyfix.config.params.smtp import SmtpParams

PACKAGE = Path(pending.__file__).parents[1]
WORD = re.compile(r"\w+", re.ASCII)
# They name parameters without reading them, or set them for others to read.
LISTS = {
    "config/at_start.py", "config/deprecated.py", "config/explain.py", "config/families.py", "config/kinds.py",
    "config/pending.py", "config/readers.py", "config/restriction_names.py", "commands/postfix_non_bdb.py",
    "commands/postfix_tls.py",
}  # fmt: skip


def sources() -> Iterator[Path]:
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name not in {"meanings", "params"} and f"{path.parent.name}/{path.name}" not in LISTS:
            yield path


def words(tree: ast.Module) -> Iterator[str]:
    """Attributes, strings, and (as patterns) strings with parts that are filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.JoinedStr):
            parts = [str(p.value) if isinstance(p, ast.Constant) else "*" for p in node.values]
            if re.fullmatch(r"\w{6,}\*\w*", "".join(parts), re.ASCII):
                yield "".join(parts).replace("*", r"\w+")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value):
            yield node.value


@cache
def named() -> frozenset[str]:
    """Every word of the sources that can name a parameter."""
    return frozenset(word for path in sources() for word in words(ast.parse(path.read_text())))


ONLY_NAMED_IN = {"proxy_read_maps", "proxy_write_maps"}
"""Their defaults name parameters without reading them."""


@cache
def read() -> frozenset[str]:
    """The registered parameters that something reads, by attribute, by name, or in a default that is read."""
    patterns = [re.compile(word) for word in named() if not WORD.fullmatch(word)]
    known = registry.everything()
    found = {name for name in known if name in named() or any(p.fullmatch(name) for p in patterns)}
    found |= {"2bounce_notice_recipient"} if "two_bounce_notice_recipient" in named() else set()
    found |= {twin(name) for name in found} & {*known}
    found |= {base for suffix in families.SUFFIXES if suffix in named() for base in fallbacks(suffix)}
    new = found
    while new:
        new = {other for name in new - ONLY_NAMED_IN for other in references(default(name))}
        new = new & {*known} - found
        found |= new
    return frozenset(found)


def default(name: str) -> str:
    text = registry.everything()[name].default
    return text if isinstance(text, str) else ""


def twin(name: str) -> str:
    """The LMTP client reads each of its own by the attribute of the SMTP client's."""
    by_attribute = {p._attribute: p.name for p in registry.group("lmtp").declared()}
    return by_attribute.get(name, "") if hasattr(SmtpParams, name) else ""


def fallbacks(suffix: str) -> set[str]:
    """A transport's own parameter, and what stands behind it."""
    return {f"default_{suffix}", suffix, f"local_{suffix}"} & {*registry.everything()}


def test_what_nothing_reads_is_listed() -> None:
    missing = sorted(name for name in registry.everything() if name not in read() and pending.reason(name) is None)
    assert missing == [], "nothing reads these: read them, or name them in pyfix/config/pending.py with a reason"


def test_what_is_read_is_not_listed() -> None:
    done = sorted(name for name in pending.REASONS if name in read())
    assert done == [], "something reads these now: delete their lines in pyfix/config/pending.py"


def test_only_registered_names_are_listed_in_order() -> None:
    assert sorted({*pending.REASONS} - {*registry.everything()}) == []
    for reason, names in pending.BY_REASON.items():
        assert names.split() == sorted({*names.split()}), reason


MAIN_CF = """\
biff = yes
tls_low_cipherlist = x
smtpd_timeout =
    5s
lmtp_send_xforward_command = yes
"""


def test_what_is_set_to_something_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pending, "REASONS", dict.fromkeys(["biff", "smtpd_timeout", "smtp_send_xforward_command"], "why")
    )
    line = Line(7, "smtp inet n - n - - smtpd -o smtpd_timeout=3 -o biff=yes -o biff=no", "master.cf")
    assert list(pending.warnings(MainCf.from_text(MAIN_CF, config_dir="/c"), [parse_service(line)])) == [
        "main.cf, line 3: smtpd_timeout has no effect: why",
        "main.cf, line 5: lmtp_send_xforward_command has no effect: why",
        "/c/master.cf, line 7: smtpd_timeout has no effect: why",
        "/c/master.cf, line 7: biff has no effect: why",
    ]


def test_what_never_has_an_effect_is_not_told() -> None:
    assert list(pending.warnings(MainCf.from_text(MAIN_CF.replace("lmtp", "#")))) == []
