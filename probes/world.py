"""The live world as the plan reads it: weights, records, receipts, and the engines that answer. Only reads, within seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from delivery.color import Color, Weights
from delivery.plan import LiveService
from delivery.receipt import GateName
from delivery.shift import base_of
from delivery.split_record import SplitRecord
from delivery.topology import ServiceRoute
from probes.engine_client import probe_pool
from probes.receipts import read_receipt, read_record
from probes.router import RouterClient, RouterUnreachable
from probes.router_files import read_topology

IDENTITY_SECONDS = 3.0
"""For asking engines who they are; a hung one must not hold up a preview."""


def read_service(home: Path, service: str, router: RouterClient, key_file: Path | None, target: Weights | None = None) -> LiveService:
    """What is known of a service now. Raises Refusal for a record that can't be read; an unreachable router or engine is an answer.

    The engines of a color that `target` takes all traffic from aren't asked: a rollback waits for nothing of what it leaves.
    """
    record = read_record(home, service)
    deployed = _deployed(home, service)
    reachable, weights = _weights(router, service, record, deployed)
    receipts = {(color, gate): receipt for color in Color for gate in GateName if (receipt := read_receipt(home, service, color, gate))}
    left = _left(base_of(record, weights), target)
    return LiveService(reachable, weights, record, _specs(deployed), _identities(deployed, left, key_file), receipts)


def _left(before: Weights | None, target: Weights | None) -> set[Color]:
    return {color for color in Color if before and target and before.of(color) > 0 and target.of(color) == 0}


def _weights(
    router: RouterClient, service: str, record: SplitRecord, deployed: ServiceRoute | None
) -> tuple[bool, Weights | None]:
    """The router's weights; before the first deployment there is no router and nothing unknown about it."""
    try:
        return True, router.live_weights(service)
    except RouterUnreachable:
        return deployed is None and record.weights is None, record.weights


def _deployed(home: Path, service: str) -> ServiceRoute | None:
    try:
        return read_topology(home).service(service)
    except RouterUnreachable:
        return None


def _specs(deployed: ServiceRoute | None) -> Mapping[Color, str]:
    pools = {color: deployed.pool(color) for color in Color} if deployed else {}
    return {color: pool.spec for color, pool in pools.items() if pool}


def _identities(deployed: ServiceRoute | None, left: set[Color], key_file: Path | None) -> Mapping[Color, Mapping[str, str | None]]:
    pools = {color: deployed.pool(color) for color in Color if color not in left} if deployed else {}
    owners = {engine: color for color, pool in pools.items() if pool for engine in pool.engines}
    found: dict[Color, dict[str, str | None]] = {color: {} for color in Color}
    states = probe_pool(owners, deployed.served_model if deployed else "", IDENTITY_SECONDS, key_file, tokens=False) if owners else {}
    for engine, state in states.items():
        found[owners[engine]][engine] = state.identity
    return found
