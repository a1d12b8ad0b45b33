"""run - pyfix beside real Postfix in the same run, with the same main.cf and master.cf

usage: python -m bench.run [w1 w2 ...] [--pairs N] [--postfix PATH] [--json FILE]

Without names, all workloads, and the table goes to bench/RESULTS.md. Alternates A B A B,
prints medians of each system and the median of the pairwise ratios beside the targets.
Fails when mail is missing or came twice, never because of a figure. Queues and mailboxes
are below TMPDIR: on the file system that it is about.
"""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path

from bench import machine, report
from bench.instance import PYFIX, Missing, real_postfix
from bench.rounds import Result, compare
from bench.table import WORKLOADS

RESULTS = Path("bench/RESULTS.md")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="pyfix beside real Postfix")
    parser.add_argument("workloads", nargs="*", help=f"of: {' '.join(WORKLOADS)}")
    parser.add_argument("--pairs", type=int, default=3, help="rounds of each system")
    parser.add_argument("--postfix", help="path of the real `postfix`, if not on PATH")
    parser.add_argument("--json", type=Path, default=Path("bench/out/last.json"))
    found = parser.parse_args()
    if unknown := set(found.workloads) - set(WORKLOADS):
        parser.error(f"no workload {' '.join(sorted(unknown))}; there are {' '.join(WORKLOADS)}")
    return found


def main() -> int:
    """Measure what was asked for."""
    asked = options()
    _raise_limit()
    kinds = [kind for kind in (PYFIX, real_postfix(asked.postfix)) if kind is not None]
    if len(kinds) == 1:
        print("real Postfix is not installed or this is not root: pyfix alone")
    facts = machine.facts(kinds)
    head = report.head(facts, asked.workloads, asked.pairs)
    print(head, flush=True)
    results: list[Result] = []
    failed = False
    for name in asked.workloads or WORKLOADS:
        for case in WORKLOADS[name].cases:
            try:
                result = compare(name, case, kinds, asked.pairs)
            except Missing as problem:
                result = Result(name, case.label, case.targets, skipped=f"**failed**: {problem}")
                failed = True
            results.append(result)
            print("\n".join(report.lines(result)), flush=True)
    asked.json.parent.mkdir(exist_ok=True)
    asked.json.write_text(report.as_json(results, facts))
    table = "\n".join(line for result in results for line in report.lines(result))
    (asked.json.with_suffix(".md") if asked.workloads else RESULTS).write_text(f"{head}\n{table}\n")
    return 1 if failed else 0


def _raise_limit() -> None:
    """As many open files as we may have: some workloads hold a thousand connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
