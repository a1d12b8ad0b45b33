"""The rooms import one another in one direction only (top to bottom of the table)."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pyfix"

LIBRARIES = {
    "mail", "wire", "unix", "config", "maps", "queue",
    "dns", "tls", "sasl", "milter", "clients", "server",
}
MAY_IMPORT = {
    "mail": set(),
    "wire": {"mail"},
    "unix": set(),
    "config": {"unix"},
    "maps": {"unix", "mail", "wire", "config"},
    "queue": {"unix", "mail", "config"},
    "dns": {"unix", "mail", "wire", "config", "maps"},
    "tls": {"unix", "mail", "wire", "config", "maps", "dns"},
    "sasl": {"unix", "mail", "wire", "config", "maps"},
    "milter": {"unix", "mail", "wire", "config", "maps"},
    "clients": {"unix", "mail", "wire", "config", "queue"},
    "server": {"unix", "wire", "config"},
    "smtpd": LIBRARIES,
    "postscreen": LIBRARIES,
    "cleanup": LIBRARIES,
    "qmgr": LIBRARIES,
    "trivial_rewrite": LIBRARIES,
    "bounce": LIBRARIES,
    "delivery": LIBRARIES,
    "services": LIBRARIES,
    "master": {"unix", "config", "server"},
    "commands": LIBRARIES,
}
THIRD_PARTY = {
    "cryptography": {"tls"},
    "dns": {"dns"},
    "lmdb": {"maps", "services"},
    "click": {"commands"},
    "pcre2": {"maps"},
    "psycopg": {"maps"},
    "pymongo": {"maps"},
    "pymysql": {"maps"},
    "redis": {"maps"},
}


def imported(tree: ast.Module) -> set[str]:
    """The dotted names of all modules that a file imports, wherever it does so."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            assert node.module is not None
            names.update({node.module} if node.module != "pyfix" else {f"pyfix.{a.name}" for a in node.names})
    return names


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_from_rooms_below(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imported(ast.parse(path.read_text())):
        top, _, rest = name.partition(".")
        if top == "pyfix":
            other = rest.partition(".")[0]
            allowed = {"", "__version__", room} | MAY_IMPORT.get(room, set())
            assert other in allowed, f"{room} may not import {name}"
        elif top in THIRD_PARTY:
            assert room in THIRD_PARTY[top], f"{top} belongs to {THIRD_PARTY[top]}, not to {room}"
