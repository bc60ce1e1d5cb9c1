"""The plan of a stack: made from the settings and the live world, shown in every preview, followed by the components."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pulumi

from components.api_key import key_refusals
from components.settings import Settings
from delivery.desired import DesiredService
from delivery.gpus import gpu_uses
from delivery.plan import LiveService, ServicePlan, plan_service
from delivery.plan_text import gpu_lines, orphan_warning, plan_lines
from delivery.receipt import Receipt
from delivery.refusal import Refusal, Refusals
from delivery.shift import Wish
from probes import supervisor
from probes.router_kinds import open_router
from probes.world import read_service


def make_plans(settings: Settings) -> dict[str, ServicePlan]:
    """The plan of every service, which is also logged. Raises Refusals with what the rules of shifts forbid, for all services at once."""
    plans: dict[str, ServicePlan] = {}
    refusals: list[Refusal] = []
    lines = []
    reads = _reads(settings)
    for name, desired in settings.services.items():
        try:
            live = reads[name].result()
            refusals += key_refusals(settings.home, desired, live, settings.api_key)
            plans[name] = plan_service(_wish(desired), desired.pools(), settings.sets[name], live)
            lines += plan_lines(plans[name], _by_color(live))
        except Refusal as refusal:
            refusals.append(refusal)
    if refusals:
        raise Refusals(refusals)
    pulumi.log.info("\n".join(["Plan", *lines, *gpu_lines(_gpus(settings))]))
    if orphans := supervisor.orphans(settings.home):
        pulumi.log.warn(orphan_warning(orphans))
    return plans


def _reads(settings: Settings) -> dict[str, Future[LiveService]]:
    """The live world of every service, side by side. In threads, because Pulumi runs the program inside an event loop of its own."""
    key_file = settings.home.engine_key if settings.home.engine_key.is_file() else None
    router = open_router(settings.home.path)
    with ThreadPoolExecutor(thread_name_prefix="read") as threads:
        return {
            name: threads.submit(read_service, settings.home.path, name, router, key_file, desired.config.target_weights)
            for name, desired in settings.services.items()
        }


def _wish(desired: DesiredService) -> Wish:
    config = desired.config
    releases = {color: ref.digest for color, ref in desired.releases.items()}
    return Wish(desired.name, config.active, config.target_weights, config.steps, releases)


def _by_color(live: LiveService) -> Mapping[str, list[Receipt]]:
    found: dict[str, list[Receipt]] = defaultdict(list)
    for (color, _), receipt in live.receipts.items():
        found[color].append(receipt)
    return found


def _gpus(settings: Settings) -> dict[int, list[tuple[str, float]]]:
    """Who is on which GPU once the `up` is through."""
    running = {(name, color) for name, desired in settings.services.items() for color, pool in desired.engines.items() if pool}
    return gpu_uses(settings.config, frozenset(running))
