"""The command line of `scripts/bench`: progress on stderr, figures on stdout, one JSON object on the last line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks import chaos, flip, rollback, tutorial
from benchmarks.report import BenchFailed, Report

Bench = Callable[[bool], Report]
"""Takes whether a quick, small run is wanted."""

BENCHES: Mapping[str, tuple[Bench, str]] = {
    "flip": (flip.run, "100,000 requests over at least 40 shifts: nothing fails; a flip against the same flip on a bare Envoy"),
    "rollback": (rollback.run, "`pulumi up` of the reverted config, beside a healthy and each broken green, against a no-change `up`"),
    "chaos": (chaos.run, "green killed at 50 % again and again: no new request fails, only the killed engine's streams are cut"),
    "tutorial": (tutorial.run, "a deployment with bash and nginx against ours, under one load: deploy, flip, roll back, a bad release"),
}


def main(arguments: Sequence[str], benches: Mapping[str, tuple[Bench, str]] = BENCHES) -> int:
    """0 when every figure is within its limit, 1 when one isn't or couldn't be measured."""
    names = "\n".join(f"  {name:10} {text}" for name, (_, text) in benches.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures a promise on a stack of its own with simulated engines and prints one JSON object on its last line.",
        epilog=f"benches:\n{names}",
    )  # fmt: skip
    parser.add_argument("name", choices=sorted(benches), metavar="NAME", help=f"one of {', '.join(benches)}")
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    parser.add_argument("--quick", action="store_true", help="a small run, in about a minute; limits that need many samples aren't judged")
    given = parser.parse_args(arguments)
    report = _run(benches[given.name][0], given.name, given.quick)
    if not given.json:
        for key, value in report.figures.items():
            print(f"{key:28} {value}")
    for problem in report.problems:
        print(f"outside its limits: {problem}", file=sys.stderr)
    print(report.to_json(), flush=True)
    return int(bool(report.problems))


def _run(bench: Bench, name: str, quick: bool) -> Report:
    try:
        return bench(quick)
    except BenchFailed as failure:
        return Report(name, quick, problems=[str(failure)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
