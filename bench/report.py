"""report - results as a Markdown table and as JSON"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from bench.rounds import Result
from bench.table import WORKLOADS

ABOUT = """\
# pyfix beside Postfix

{day}: `make bench{words}`, both systems with the same main.cf and master.cf in the same run, A B A B, {pairs} rounds
(fewer where one takes long). Figures are medians of the rounds, ratios (pyfix's by Postfix's) medians of the pairs.
CPU is user and system time of all processes of the mail system, ended ones included, without the client's; PSS is
their proportional memory.

"""
HEAD = """\
| workload | figure | pyfix | postfix | ratio | target | |
|---|---|---|---|---|---|---|"""


def head(facts: dict[str, str], workloads: list[str], pairs: int) -> str:
    """What stands above the first line of figures: where they come from, what the workloads are."""
    words = f' BENCH="{" ".join(workloads)}"' if workloads else ""
    about = ABOUT.format(day=time.strftime("%Y-%m-%d"), words=words, pairs=pairs)
    machine = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    titles = "\n".join(f"- {name}: {WORKLOADS[name].title}" for name in workloads or WORKLOADS)
    return f"{about}{machine}\n\n{titles}\n\n{HEAD}"


def lines(result: Result) -> Iterator[str]:
    """The table's lines for one case."""
    name = f"{result.workload} {result.label}"
    if result.skipped is not None:
        yield f"| {name} | {result.skipped} | | | | | |"
        return
    for figure in result.names():
        ours, theirs = (_number(result.median(system, figure)) for system in ("pyfix", "postfix"))
        ratio = result.ratio(figure)
        yield f"| {name} | {figure} | {ours} | {theirs} | {_number(ratio, 'x')} | {_target(result, figure)} |"
        name = ""


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    digits = 0 if value >= 100 else 1 if value >= 20 else 2 if value >= 0.1 else 4
    return f"{value:.{digits}f}{unit}"


def _target(result: Result, figure: str) -> str:
    found = result.target(figure)
    if found is None:
        return " | "
    target, reached = found
    verdict = {True: "reached", False: "**missed**", None: "not known"}[reached]
    return f"{target} | {verdict}"


def as_json(results: list[Result], facts: dict[str, str]) -> str:
    """Everything that was measured, round by round."""
    cases = [
        {
            "workload": result.workload,
            "case": result.label,
            "skipped": result.skipped,
            "rounds": result.rounds,
            "ratios": {} if result.skipped else {figure: result.ratio(figure) for figure in result.names()},
            "targets": {str(target.figure): _verdict(result, target.figure) for target in result.targets},
        }
        for result in results
    ]
    return json.dumps({"machine": facts, "cases": cases}, indent=1) + "\n"


def _verdict(result: Result, figure: str) -> dict[str, object]:
    found = result.target(figure)
    assert found is not None, figure
    return {"target": str(found[0]), "reached": found[1]}
