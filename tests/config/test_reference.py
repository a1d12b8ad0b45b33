"""Every registered parameter is what the reference sheet says it is."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyfix.commands import postconf
from pyfix.config import families, registry
from pyfix.config.kinds import kind
from pyfix.config.param import Parameter, Time
from pyfix.config.params import GROUPS
from pyfix.config.readers import readers

FOLDERS = (
    *([Path(os.environ["PYFIX_REFERENCE"])] if "PYFIX_REFERENCE" in os.environ else []),
    Path(__file__).parents[3] / "shared" / "reference",
)
SHEET = next((folder / "parameters.tsv" for folder in FOLDERS if (folder / "parameters.tsv").exists()), None)
# Those whose default depends on the host are computed.
COMPUTED = {"myhostname", "mydomain", "mynetworks", "process_id", "process_name"}
UNDOCUMENTED = {"continue"}
# global, tls: what every program loads, whoever reads it. The others are not our programs.
ELSEWHERE = {"", "global", "tls", "oqmgr", "posttls-finger"}
# lmtp is smtp; proxymap looks at every table that it may be asked for.
AS_WELL = {"lmtp", "proxymap", "oqmgr"}
OTHER_DEFAULTS = {"config_directory": "/etc/postfix"}


def rows() -> Iterator[dict[str, str]]:
    assert SHEET is not None
    lines = [line for line in SHEET.read_text().splitlines() if not line.startswith("#")]
    head = lines[0].split("\t")
    return (dict(zip(head, line.split("\t"), strict=False)) for line in lines[1:])


@pytest.fixture(scope="module")
def sheet() -> dict[str, dict[str, str]]:
    if SHEET is None:
        pytest.skip("no parameters.tsv: set PYFIX_REFERENCE to the folder with the reference sheets")
    return {row["name"]: row for row in rows()}


def facts(parameter: Parameter[object]) -> dict[str, str]:
    return {
        "type": parameter.kind,
        "default_unit": parameter.unit if isinstance(parameter, Time) else "",
        "min": str(parameter.min or ""),
        "max": str(parameter.max or ""),
    }


def expected(row: dict[str, str]) -> dict[str, str]:
    return {
        "type": row["type"],
        "default_unit": row["default_unit"],
        "min": row["min"] if row["min"] != "0" else "",
        "max": row["max"] if row["max"] != "0" else "",
    }


def of(sheet: dict[str, dict[str, str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of registered parameters."""
    return ((name, sheet[name]) for name in registry.everything() if name in sheet)


def test_a_type_names_the_words_of_its_values(sheet: dict[str, dict[str, str]]) -> None:
    for name, row in of(sheet):
        values = row["values_or_parser"]
        words = values.removeprefix("flags: ").partition("(")[0].partition(" plus ")[0]
        if not ("|" in words or words != values) or name.endswith(("_protocols", "_loglevel", "_keywords")):
            continue
        known = re.findall(r"[\w-]+", kind(registry.everything()[name]))
        unknown = {*re.findall(r"[\w-]+", words)} - {*known} - UNDOCUMENTED
        assert not unknown, name


def test_readers_are_those_that_declare_a_parameter(sheet: dict[str, dict[str, str]]) -> None:
    for name, row in of(sheet):
        declared = {*row["declared_by"].split(",")} - ELSEWHERE
        if name.startswith("lmtp_"):
            declared = {"lmtp" if program == "smtp" else program for program in declared}
        if declared:
            assert declared <= {*readers(name)}, name
            theirs = declared | {*row["referenced_by"].split(",")} | AS_WELL
            assert {*readers(name)} <= theirs, name


@pytest.mark.parametrize("name", sorted(registry.everything()))
def test_a_parameter_is_as_postfix_has_it(name: str, sheet: dict[str, dict[str, str]]) -> None:
    parameter = registry.everything()[name]
    if name.startswith("pyfix_"):
        return
    row = sheet[name]
    assert facts(parameter) == expected(row)
    if name in COMPUTED:
        assert callable(parameter.default)
    else:
        assert parameter.default == OTHER_DEFAULTS.get(name, row["default"])


def test_every_parameter_of_postfix_is_there(sheet: dict[str, dict[str, str]]) -> None:
    builtin = {name for name, row in sheet.items() if row["class"] not in {"service", "template"}}
    assert sorted(builtin ^ {name for name in registry.everything() if not name.startswith("pyfix_")}) == []


@pytest.mark.parametrize("suffix", sorted(families.SUFFIXES))
def test_a_transport_parameter_is_as_postfix_has_it(suffix: str, sheet: dict[str, dict[str, str]]) -> None:
    parameter, row = families.member("any", suffix), sheet[f"<service>_{suffix}"]
    assert parameter.name == f"any_{suffix}"
    assert facts(parameter) == expected(row)
    assert parameter.default == row["default"]


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_a_group_declares_each_name_once(name: str) -> None:
    others = [p.name for other in GROUPS if other != name for p in registry.group(other).declared()]
    own = [p.name for p in registry.group(name).declared()]
    assert sorted({*own} & {*others}) == []
    assert len(own) == len({*own})


STOCK = """\
smtp inet n - n - - smtpd
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
"""


def test_postconf_d_is_the_sheet(
    sheet: dict[str, dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.cf").write_text("myorigin = other\n")
    (tmp_path / "master.cf").write_text(STOCK)
    assert postconf.main(["postconf", "-c", str(tmp_path), "-d"]) == 0
    shown = dict(line.split(" =", 1) for line in capsys.readouterr().out.splitlines())
    rows = {name: row["default"] for name, row in sheet.items() if "<" not in name}
    assert [*shown] == sorted({*rows, *(name for name in shown if name.startswith("pyfix_"))})
    different = {name for name, default in rows.items() if shown[name].strip() != " ".join(default.split())}
    assert different == COMPUTED | {*OTHER_DEFAULTS}
