"""Tables that do not open, in a daemon."""

import subprocess
import sys
from pathlib import Path

import pytest

from pyfix.maps.open import open_table
from pyfix.maps.table import TableError


@pytest.mark.parametrize("where", ["argument", "environment"])
def test_a_table_that_does_not_open_ends_the_process_if_that_is_wanted(
    here: Path, log: list[str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (here / "main.cf").write_text("daemon_table_open_error_is_fatal = yes\n")
    if where == "environment":
        monkeypatch.setenv("MAIL_CONFIG", str(here))
    with pytest.raises(SystemExit):
        open_table("lmdb:/no/such", config_dir=str(here) if where == "argument" else "")
    assert log == ["fatal: open database /no/such.lmdb: No such file or directory"]


def test_else_it_fails_its_lookups_and_nothing_more(here: Path, log: list[str]) -> None:
    (here / "main.cf").write_text("daemon_table_open_error_is_fatal = no\n")
    table = open_table("lmdb:/no/such", config_dir=str(here))
    with pytest.raises(TableError):
        table.lookup_now("a")
    assert log[0] == "error: open database /no/such.lmdb: No such file or directory"


def test_types_of_tables_that_main_cf_names_can_be_had_before_a_table_is_opened() -> None:
    script = (
        "import sys; from pyfix.config.main_cf import MainCf; from pyfix.maps.open import import_types\n"
        "import_types(MainCf.from_text('a = static:x\\nb = proxy:cidr:/y, nosuch:z'))\n"
        "print(*[name for name in sys.modules if name.startswith('pyfix.maps.')])"
    )
    done = subprocess.run([sys.executable, "-P", "-s", "-c", script], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert {f"pyfix.maps.{name}" for name in ("static", "proxy", "cidr")} <= imported
    assert "pyfix.maps.lmdb" not in imported
