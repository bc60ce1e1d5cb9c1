"""Asks both releases the same items and grades the answers. What they are worth is decided in delivery/eval_verdict.py."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from delivery.eval_measurement import EvalMeasurement, Outcome
from delivery.eval_set import EvalSet, Item, ModelGraded, grade
from delivery.gate_settings import EvalSettings
from probes.engine_client import EngineClient, EngineError, alive, open_http
from probes.model_grader import ModelGrader, UngradedError, open_grading
from probes.progress import Progress, Say

_ITEM_SECONDS = 60.0
_PROOF_SECONDS = 20.0  # for one token of a baseline engine, before the run
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Side:
    """One release: the engines (`host:port`) of its pool and the model name that they serve."""

    engines: Sequence[str]
    model: str


@dataclass(frozen=True)
class EvalRun:
    """What to compare. Without a `baseline` that answers, `kept` (its answers by item id) stands in; `baseline_expected` says that a
    comparison is due, so that doing without one is not silent."""

    label: str
    items: EvalSet
    candidate: Side
    settings: EvalSettings
    say: Say
    baseline: Side | None = None
    kept: Mapping[str, str] | None = None
    baseline_expected: bool = False
    key_file: str | os.PathLike[str] | None = None
    grader: ModelGrader | None = None
    item_seconds: float = _ITEM_SECONDS


@dataclass
class _Lane:
    """One side while it is being asked: what to ask whom, and the outcomes so far. `failed` counts errors since the last answer."""

    side: Side
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failed: int = 0
    given_up: bool = False


def evaluate(run: EvalRun) -> EvalMeasurement:
    """Ask every item on both sides with bounded concurrency, interleaved so that both feel the same load. Never longer than the deadline
    plus the few calls that read identities, and as long again where a model has to grade kept answers."""
    return asyncio.run(_evaluate(run))


async def _evaluate(run: EvalRun) -> EvalMeasurement:
    progress = Progress(run.say, run.label)
    candidate = _Lane(run.candidate)
    before = await _identities(run)
    live, note = await _live_baseline(run)
    baseline = _Lane(live) if live else None
    stopped = ungraded = ""
    outcomes = None
    try:
        stopped = await _ask_all(run, candidate, baseline, progress)
        if stopped and run.grader and run.grader.trouble:
            ungraded = f"{stopped}, and {run.grader.trouble}"
        else:
            async with asyncio.timeout(run.settings.deadline_seconds):
                outcomes, note = await _baseline_outcomes(run, baseline, note)
    except UngradedError as error:
        ungraded = str(error)
    except TimeoutError:
        ungraded = f"the baseline's kept answers were not graded within {run.settings.deadline_seconds:g} s"
    after = await _identities(run)
    return EvalMeasurement(
        asked_for=tuple(item.id for item in run.items.items),
        source_of=run.items.source_of,
        candidate=candidate.outcomes,
        identities_before=before,
        identities_after=after,
        baseline=outcomes,
        baseline_expected=run.baseline_expected,
        baseline_note=note,
        stopped=stopped,
        ungraded=ungraded,
        seconds=progress.seconds,
    )


async def _live_baseline(run: EvalRun) -> tuple[Side | None, str]:
    """The engines of the baseline that generate tokens, and what is wrong with those that don't."""
    if run.baseline is None:
        return None, ""
    model, engines = run.baseline.model, run.baseline.engines
    problems = await asyncio.gather(*(alive(engine, model, _PROOF_SECONDS, run.key_file) for engine in engines))
    note = "; ".join(problem for problem in problems if problem)
    answering = [engine for engine, problem in zip(engines, problems, strict=True) if problem is None]
    return (Side(answering, model) if answering else None), note


async def _ask_all(run: EvalRun, candidate: _Lane, baseline: _Lane | None, progress: Progress) -> str:
    """Let the workers ask everything; returns why they stopped early, or ""."""
    queue: asyncio.Queue[tuple[_Lane, Item, str]] = asyncio.Queue()
    for number, item in enumerate(run.items.items):
        for lane in (candidate, baseline):
            if lane is not None:
                queue.put_nowait((lane, item, lane.side.engines[number % len(lane.side.engines)]))
    total = queue.qsize()
    workers = [asyncio.create_task(_work(run, queue)) for _ in range(min(run.settings.concurrency, total))]
    try:
        async with asyncio.timeout(run.settings.deadline_seconds):
            while not all(worker.done() for worker in workers):
                ended, _ = await asyncio.wait(workers, timeout=_POLL_SECONDS)
                for worker in ended:
                    worker.result()  # what one could not do ends the run
                right = sum(outcome.right for outcome in candidate.outcomes.values())
                asked = len(candidate.outcomes)
                progress.tell_sometimes(f"{total - queue.qsize()} of {total} asked, candidate {right} of {asked} right")
    except TimeoutError:
        return f"the deadline of {run.settings.deadline_seconds:g} s passed"
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return "the candidate answered nothing any more" if candidate.given_up else ""


async def _work(run: EvalRun, queue: asyncio.Queue[tuple[_Lane, Item, str]]) -> None:
    give_up_after = max(8, 2 * run.settings.concurrency)
    # Engines speak plain HTTP: certificates would only take time to load.
    async with open_http(verify=False) as http, open_grading(run.grader) as grading:
        while not queue.empty():
            lane, item, address = queue.get_nowait()
            if lane.given_up:
                continue
            outcome = await _ask(run, grading, EngineClient(address, run.key_file, http), lane.side.model, item)
            lane.outcomes[item.id] = outcome
            lane.failed = lane.failed + 1 if outcome.error else 0
            lane.given_up = lane.given_up or lane.failed >= give_up_after


async def _ask(run: EvalRun, grading: httpx.AsyncClient, engine: EngineClient, model: str, item: Item) -> Outcome:
    try:
        answer = await engine.complete(model, item.chat(), item.max_tokens, stream=False, deadline_seconds=run.item_seconds)
    except EngineError as error:
        return Outcome(right=False, error=str(error))
    return await _graded(run, grading, item, answer.text)


async def _graded(run: EvalRun, grading: httpx.AsyncClient, item: Item, answer: str) -> Outcome:
    if not isinstance(item.grade, ModelGraded):
        return Outcome(right=grade(item, answer), answer=answer)
    assert run.grader is not None, "a set with model-graded items is refused without a grader"
    return Outcome(right=await run.grader.grade(grading, item, answer), answer=answer)


async def _baseline_outcomes(run: EvalRun, lane: _Lane | None, note: str) -> tuple[dict[str, Outcome] | None, str]:
    """What the baseline said; where it could not be asked, what it said when it was evaluated itself."""
    outcomes = dict(lane.outcomes) if lane else {}
    kept = run.kept or {}
    due = [item for item in run.items.items if item.id in kept and (item.id not in outcomes or outcomes[item.id].error)]
    at_once = asyncio.Semaphore(run.settings.concurrency)
    async with open_grading(run.grader) as grading:

        async def graded(item: Item) -> Outcome:
            async with at_once:
                return await _graded(run, grading, item, kept[item.id])

        outcomes |= dict(zip([item.id for item in due], await asyncio.gather(*map(graded, due)), strict=True))
    if outcomes:
        return outcomes, note
    return None, note or "no release to compare with"


async def _identities(run: EvalRun) -> dict[str, str]:
    async def ask(address: str) -> tuple[str, str]:
        async with EngineClient(address, run.key_file) as client:
            try:
                return address, await client.identity()
            except EngineError:
                return address, ""

    return {address: identity for address, identity in await asyncio.gather(*map(ask, run.candidate.engines)) if identity}
