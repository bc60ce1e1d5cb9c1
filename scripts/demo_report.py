"""What the demo measured, as rows, as a table, as JSON, and what to try next. Judges nothing but whether the promise was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rich import box
from rich.table import Table

from delivery import split_proof
from delivery.color import Color
from delivery.receipt import GateName, Receipt
from scripts.demo_options import DemoOptions
from scripts.demo_rollout import StepRun
from traffic.summary import Summary


class Summaries(Protocol):
    """Where numbers over spans of time come from (traffic.background.BackgroundLoad)."""

    def summary(self, *, since: float = ..., until: float = ...) -> Summary:
        """What became of the requests planned in a span of time."""
        ...


@dataclass(frozen=True)
class Row:
    """One step as it is shown.

    `probes` counts by color what answered the proof of the shift, `answered` what answered the load once the weights were live;
    `seconds` are those of `pulumi up`.
    """

    step: str
    weights: str
    gates: list[str]
    probes: dict[str, int]
    answered: dict[str, int]
    requests: int
    streams: int
    failed: int
    streams_cut: int
    seconds: float
    failure: str


def rows_of(runs: Sequence[StepRun], load: Summaries) -> list[Row]:
    """The rows: each step owns the requests planned from its start to the start of the next one."""
    ends = [run.started_at for run in runs[1:]] + [float("inf")]
    return [_row(run, end, load) for run, end in zip(runs, ends, strict=True)]


def problems(rows: Sequence[Row]) -> list[str]:
    """Why the demo failed, one line a step that did; empty when the promise was kept."""
    return [f"{row.step}: {row.failure}" for row in rows if row.failure]


def table_of(rows: Sequence[Row]) -> Table:
    """The closing table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "weights", "gates", "measured split"):
        table.add_column(name, overflow="fold")
    for name in ("requests", "failed", "streams cut", "seconds"):
        table.add_column(name, justify="right")
    for row in rows:
        style = "bold red" if row.failure else None
        counts = (str(row.requests), str(row.failed), f"{row.streams_cut} of {row.streams}", f"{row.seconds:.1f}")
        split = [text for text in (_share(row.probes, "probes"), _share(row.answered, "requests")) if text]
        table.add_row(row.step, row.weights, "\n".join(row.gates), "\n".join(split), *counts, style=style)
    return table


def totals(overall: Summary) -> str:
    """One sentence over the whole load."""
    if not overall.requests:
        return "No request was sent."
    late = overall.sent_late_p99_seconds
    busy = f" The machine was too busy to send on time (99 % within {late * 1000:.0f} ms)." if late > 0.25 else ""
    return (
        f"{overall.requests} requests, {overall.streams} of them streams: {overall.failed} failed, {overall.streams_cut} streams cut. "
        f"Plain requests: {_ms(overall.p50_seconds)} in the middle, {_ms(overall.p99_seconds)} for all but 1 %.{busy}"
    )


def as_json(rows: Sequence[Row], overall: Summary, options: DemoOptions, seconds: float) -> dict[str, Any]:
    """The same for machines."""
    return {
        "ok": bool(rows) and not problems(rows), "engine": options.engine.value, "router": options.router.value,
        "target": options.target.value, "rate": options.rate, "seconds": round(seconds, 1), "requests": overall.requests,
        "streams": overall.streams, "failed": overall.failed, "streams_cut": overall.streams_cut, "reasons": overall.reasons,
        "steps": [asdict(row) | {"seconds": round(row.seconds, 1)} for row in rows],
    }  # fmt: skip


def next_steps(options: DemoOptions, folder: str) -> str:
    """What to try on the stack that was left running; commands that work when pasted."""
    body = '{"model": "sorter", "messages": [{"role": "user", "content": "sort 52413"}]}'
    service = "verdigris:services.chat"
    return f"""The stack is still running: the router at http://127.0.0.1:{options.port}, logs in {folder}/home/demo/logs. Try next:

  curl -si http://127.0.0.1:{options.port}/v1/chat/completions -H 'content-type: application/json' -d '{body}'
                                           the answer, and in its headers the color and the release that gave it
  source {folder}/env              scripts/pulumi works on this stack from here on
  scripts/pulumi config set --path '{service}.canaryWeight' 75 && scripts/pulumi up --yes
                                           green has carried all traffic before: it may take any share of it at once
  scripts/pulumi config set --path '{service}.canaryWeight' 0 && scripts/pulumi up --yes
                                           and back
  scripts/pulumi config set --path '{service}.green.release' {options.profile.bad_release} && scripts/pulumi up --yes
                                           a release that is wrong too often: a warning, because green carries nothing
  scripts/pulumi config set --path '{service}.canaryWeight' 1 && scripts/pulumi up --yes
                                           refused, with the numbers; the weights stay as they are
  scripts/demo --down                      remove the stack and everything it keeps"""


def _row(run: StepRun, end: float, load: Summaries) -> Row:
    all_of_it = load.summary(since=run.started_at, until=end)
    settled = load.summary(since=run.settled_at, until=end) if run.settled_at else None
    observed = {color: settled.exposed(color) for color in Color} if settled else {}
    failure = run.failure or _broken_promise(run, all_of_it, observed)
    return Row(
        run.step.title, str(run.step.weights), _gates(run), run.probes, {color.value: count for color, count in observed.items()},
        all_of_it.requests, all_of_it.streams, all_of_it.failed, all_of_it.streams_cut, run.up_seconds, failure,
    )  # fmt: skip


def _broken_promise(run: StepRun, load: Summary, observed: Mapping[Color, int]) -> str:
    if load.failed or load.streams_cut:
        return f"{load.failed} requests failed and {load.streams_cut} streams were cut: {load.reasons}"
    if not sum(observed.values()):
        return ""
    return split_proof.judge(observed, run.step.weights, {}) or ""


def _gates(run: StepRun) -> list[str]:
    if run.measured:
        return [_receipt_text(receipt) for receipt in sorted(run.measured, key=lambda receipt: list(GateName).index(receipt.gate))]
    if run.failure:
        return []
    if run.why.startswith("after passing gates"):
        return ["receipts hold, not run again"]
    return [f"none: {run.why or 'no weight rises'}"]


def _receipt_text(receipt: Receipt) -> str:
    numbers = receipt.numbers
    head = f"{receipt.color} {receipt.gate} {receipt.verdict}"
    if receipt.gate is GateName.WARMUP and "warm_ttft_ms" in numbers:
        return f"{head}: first token {numbers['cold_ttft_ms']:.0f} -> {numbers['warm_ttft_ms']:.0f} ms"
    if "asked" not in numbers:
        return head
    score = f"{head}: {numbers['right']:.0f} of {numbers['asked']:.0f} right"
    if "loss_upper_percent" not in numbers:
        return score
    return f"{score}, at most {numbers['loss_upper_percent']:.1f} points worse (margin {numbers['margin_percent']:g})"


def _share(counts: Mapping[str, int], what: str) -> str:
    """Green's share, as everybody calls it."""
    total = sum(counts.values())
    return f"green {100 * counts.get(Color.GREEN, 0) / total:.1f} % of {total} {what}" if total else ""


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
