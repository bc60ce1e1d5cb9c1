"""The tiers of tests: what each needs, in which order they run, and the table at the end.

Owns the command line of `scripts/test`. What a tier checks is in its folder under tests/ (or in scripts/lint.py);
how its parts are installed is in scripts/setup and scripts/setup-vllm.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST_FAILED, PYTEST_NO_TESTS = 1, 5


class Status(StrEnum):
    """How a tier ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Outcome:
    """One row of the closing table; `detail` is pytest's counts, or why the tier was left out or failed."""

    tier: str
    status: Status
    seconds: float
    detail: str


def nothing_missing() -> str:
    """For tiers that need only what scripts/setup always installs."""
    return ""


def nginx_missing() -> str:
    """Why the nginx tier cannot run, or nothing."""
    return "" if shutil.which("nginx") else "no nginx on PATH; scripts/setup --nginx installs it"


def docker_missing() -> str:
    """Why the docker tier cannot run, or nothing. Its tests start an engine of their own, so that none of a person's is touched."""
    if not (shutil.which("docker") and shutil.which("dockerd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")):
        return "no docker and dockerd on PATH; scripts/setup --docker installs them"
    if os.getuid() != 0:
        return "only root can start a Docker engine for the tests"
    built = "/toolchain-" in (ROOT / ".pulumi/cli").read_text() if (ROOT / ".pulumi/cli").is_file() else False
    if built and not list((ROOT / ".pulumi/plugins").glob("resource-docker-v*/pulumi-resource-docker")):
        return "Pulumi's plugin for Docker is not built; scripts/setup --docker builds it"
    return ""


def vllm_missing() -> str:
    """Why the vllm tier cannot run, or nothing."""
    for script, reason in (
        ("scripts/setup-vllm", "vLLM for the CPU is not installed; scripts/make-models installs it (several GB)"),
        ("scripts/make-models", "the tiny models are not in models/; scripts/make-models puts them there (it trains them once, 2 minutes)"),
    ):
        if subprocess.run([ROOT / script, "--check"], capture_output=True, check=False).returncode != 0:
            return reason
    return ""


@dataclass(frozen=True)
class Tier:
    """A set of checks that needs the same things on the machine.

    With `second_try`, tests that failed run once more, one at a time: these tiers start dozens of real processes, and on a shared machine
    a busy minute fails one test in some hundreds. What needed it is named in the table; one that is broken fails again.
    """

    name: str
    folder: str
    pytest_flags: tuple[str, ...] = ()
    missing: Callable[[], str] = nothing_missing
    install: tuple[str, ...] = ()
    second_try: bool = False

    @property
    def command(self) -> list[str]:
        """What runs the tier, without the words that the user adds."""
        if self.name == "lint":
            return [sys.executable, "-m", "scripts.lint"]
        return [sys.executable, "-m", "pytest", self.folder, *self.pytest_flags]

    def has_tests(self) -> bool:
        """Whether anything is there to run."""
        return self.name == "lint" or any((ROOT / self.folder).rglob("test_*.py"))


TIERS = (
    Tier("lint", "scripts"),
    Tier("unit", "tests/unit", ("-n", "2")),
    Tier("components", "tests/components", ("-n", "2")),
    Tier("integration", "tests/integration", ("-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"), second_try=True),
    Tier("nginx", "tests/e2e/nginx", ("-n", "2"), nginx_missing, ("scripts/setup", "--nginx"), second_try=True),
    Tier("docker", "tests/e2e/docker", (), docker_missing, ("scripts/setup", "--docker"), second_try=True),
    Tier("vllm", "tests/e2e/vllm", (), vllm_missing, ("scripts/make-models",), second_try=True),
)
NAMES = tuple(tier.name for tier in TIERS)


def reason_left_out(tier: Tier, required: bool) -> str:
    """Why the tier cannot run, or nothing; what a required tier lacks is installed first."""
    if not tier.has_tests():
        return f"no tests in {tier.folder}"
    missing = tier.missing()
    if missing and required and tier.install:
        print(f"{tier.name}: {missing}; it is required, so: {' '.join(tier.install)}", flush=True)
        subprocess.run([ROOT / tier.install[0], *tier.install[1:]], cwd=ROOT, check=False)
        missing = tier.missing()
    return missing


def run_and_show(command: Sequence[str]) -> tuple[int, str]:
    """Runs a command with its output shown as it comes; returns the exit code and the last line that was not empty."""
    path = os.pathsep.join((str(ROOT / ".venv/bin"), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    last = ""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
        return process.wait(), last
    except KeyboardInterrupt:
        process.wait()
        raise


def run_tier(tier: Tier, required: bool, pytest_words: Sequence[str]) -> Outcome:
    """Runs one tier, or says why not."""
    print(f"\n== {tier.name} ==", flush=True)
    started = time.monotonic()
    reason = reason_left_out(tier, required)
    if reason:
        print(f"{'required but cannot run' if required else 'left out'}: {reason}", flush=True)
        return Outcome(tier.name, Status.FAILED if required else Status.LEFT_OUT, time.monotonic() - started, reason)
    code, last = run_and_show([*tier.command, *(pytest_words if tier.name != "lint" else ())])
    counts = counts_of(last)
    if code == PYTEST_FAILED and tier.second_try:
        print(f"\n== {tier.name}, second try: what failed, one test at a time ==", flush=True)
        only_failed = ("-n", "0", "--last-failed", "--last-failed-no-failures", "none")
        again = [sys.executable, "-m", "pytest", tier.folder, *only_failed, *pytest_words]
        code, last = run_and_show(again)
        counts = f"{counts}; at a second try {counts_of(last)}"
    seconds = time.monotonic() - started
    if code == PYTEST_NO_TESTS:
        return Outcome(tier.name, Status.FAILED if required else Status.LEFT_OUT, seconds, "no tests were selected")
    return Outcome(tier.name, Status.PASSED if code == 0 else Status.FAILED, seconds, counts)


def counts_of(closing_line: str) -> str:
    """`3 passed` of pytest's closing line."""
    return re.sub(r"^=+ | in [\d.]+s.*$", "", closing_line)


def table(outcomes: Sequence[Outcome]) -> str:
    """The closing table, one line a tier."""
    lines = [f"{'tier':<12} {'result':<9} {'seconds':>8}  counts, or why"]
    lines += [f"{row.tier:<12} {row.status:<9} {row.seconds:>8.1f}  {row.detail}" for row in outcomes]
    return "\n".join(lines)


def names(text: str) -> list[str]:
    """`all` or a comma-separated list of tiers."""
    chosen = list(NAMES) if text == "all" else [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"got {unknown[0]!r}, need all or some of {', '.join(NAMES)}")
    return chosen


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; what follows `--` goes to pytest."""
    parser = argparse.ArgumentParser(prog="scripts/test", description="Runs every tier of tests whose parts are on this machine.")
    parser.add_argument(
        "--tier", type=names, action="extend", default=[], metavar="TIER", help=f"only this tier (repeatable): {', '.join(NAMES)}"
    )
    parser.add_argument(
        "--require",
        type=names,
        action="extend",
        default=[],
        metavar="TIERS",
        help="all, or a comma-separated list: what these need is installed, and one that cannot run is a failure",
    )
    parser.add_argument("pytest_words", nargs="*", metavar="-- PYTEST_ARGUMENT", help="for instance: -- -k weights -x")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Runs the tiers and prints the table; 1 when any failed."""
    options = parse(arguments)
    chosen = {*options.tier, *options.require} if options.tier else set(NAMES)
    outcomes = []
    try:
        for tier in TIERS:
            if tier.name in chosen:
                outcomes.append(run_tier(tier, tier.name in options.require, options.pytest_words))
    except KeyboardInterrupt:
        print("\ninterrupted")
        return 130
    print(f"\n{table(outcomes)}")
    # A tier asked for by name must run too; only --require also installs what it lacks.
    asked_for = {row.tier for row in outcomes if row.status is Status.LEFT_OUT and row.tier in options.tier}
    return int(bool(asked_for) or any(row.status is Status.FAILED for row in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
