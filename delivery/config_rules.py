"""The rules of a config that no bound of one field says. Ports: delivery/port_rules.py. GPUs: delivery/gpus.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address
from itertools import pairwise

from delivery.client_paths import prefix_refusals
from delivery.config_advice import how_to_set
from delivery.config_models import RouterKind, ServiceConfig, StackConfig, Target
from delivery.docker_rules import docker_refusals
from delivery.gateway_rules import gateway_refusals
from delivery.gpus import gpu_refusals
from delivery.port_rules import port_refusals
from delivery.project_paths import path_problem
from delivery.refusal import Refusal

BUILT_TARGETS = frozenset({Target.LOCAL, Target.DOCKER})
"""Targets that exist; the others are planned and refused by name."""

BUILT_ROUTERS = frozenset(RouterKind)

SERVICE_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
"""Fits into host names, program names and log prefixes with a color and a number behind it."""

HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
RESERVED_HEADERS = frozenset(
    {
        "host",
        "connection",
        "content-length",
        "content-type",
        "transfer-encoding",
        "te",
        "upgrade",
        "accept",
        "accept-encoding",
        "user-agent",
    }
)
"""Headers that say nothing about who the client is, so that everyone would share one color, or that belong to the connection."""


def broken_rules(config: StackConfig) -> list[Refusal]:
    """Every rule that a well-formed config breaks."""
    refusals = [*_unbuilt(config), *_listen(config)]
    for name, service in config.services.items():
        refusals += [*_name(name), *_pools(name, service), *_steps(name, service), *_gates(name, service), *_files(name, service)]
        refusals += _sticky_header(name, service)
    refusals += [*prefix_refusals(config), *gateway_refusals(config)]
    return [*refusals, *port_refusals(config), *docker_refusals(config), *gpu_refusals(config)]


def _unbuilt(config: StackConfig) -> Iterator[Refusal]:
    built_targets = " or ".join(sorted(BUILT_TARGETS))
    if config.target not in BUILT_TARGETS:
        yield Refusal(
            "target", config.target, built_targets, f"the target {config.target} is not built yet", how_to_set("target", Target.LOCAL)
        )
    built_routers = " or ".join(sorted(BUILT_ROUTERS))
    if config.router.kind not in BUILT_ROUTERS:
        yield Refusal(
            "router.kind",
            config.router.kind,
            built_routers,
            f"the router {config.router.kind} is not built yet",
            how_to_set("router.kind", built_routers),
        )


def _listen(config: StackConfig) -> Iterator[Refusal]:
    try:
        IPv4Address(config.router.listen)
    except AddressValueError:
        yield Refusal(
            "router.listen",
            repr(config.router.listen),
            "an IPv4 address",
            "the router binds to an address, not to a name",
            how_to_set("router.listen", "127.0.0.1") + " (0.0.0.0 for every interface)",
        )


def _name(name: str) -> Iterator[Refusal]:
    if not SERVICE_NAME.fullmatch(name):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:31].strip("-") or "chat"
        yield Refusal(
            "services",
            repr(name),
            "names of a to z, 0 to 9 and -, at most 31, beginning with a letter",
            "the name becomes part of program names, cluster names and file names",
            f"call it `{plain}`",
        )


def _pools(name: str, service: ServiceConfig) -> Iterator[Refusal]:
    active, other = service.active, service.active.other
    if service.pool(active) is None:
        pool = f"{active}: {{release: releases/….yaml}}"
        there = f", or set active: {other}" if service.pool(other) else ""
        yield Refusal(
            f"services.{name}.{active}",
            "no pool",
            "a pool for the active color",
            f"active is {active} and its traffic needs engines",
            f"add `{pool}` to services.{name}{there}",
        )
    if service.canary_weight > 0 and service.pool(other) is None:
        path = f"services.{name}.canaryWeight"
        yield Refusal(
            path,
            service.canary_weight,
            f"0 while {other} has no pool",
            f"{service.canary_weight} % of the requests would find no engine",
            f"add `{other}: {{release: releases/….yaml}}` to services.{name}, or {how_to_set(path, 0)}",
        )


def _steps(name: str, service: ServiceConfig) -> Iterator[Refusal]:
    steps = list(service.steps)
    path = f"services.{name}.steps"
    wanted = sorted({step for step in steps if 1 <= step <= 100} | {100})
    outside = [step for step in steps if not 1 <= step <= 100]
    if outside:
        yield Refusal(
            path,
            steps,
            "steps from 1 to 100",
            f"{outside[0]} is no percent of traffic that a canary can be raised to",
            how_to_set(path, wanted),
        )
    elif any(after <= before for before, after in pairwise(steps)):
        yield Refusal(path, steps, "ascending steps, each once", "a raise goes to the next higher step", how_to_set(path, wanted))
    elif steps[-1] != 100:
        yield Refusal(path, steps, "100 as the last step", "a rollout that can't reach all traffic never ends", how_to_set(path, wanted))


def _gates(name: str, service: ServiceConfig) -> Iterator[Refusal]:
    gates = service.gates
    if gates.warmup and gates.warmup.max_rounds < gates.warmup.min_rounds:
        path = f"services.{name}.gates.warmup.maxRounds"
        yield Refusal(
            path,
            gates.warmup.max_rounds,
            f"at least minRounds ({gates.warmup.min_rounds})",
            "the warm-up would end before it may be called steady",
            how_to_set(path, gates.warmup.min_rounds),
        )
    missing = [
        (gate, example)
        for gate, example, stated in (
            ("warmup", "{prompts: evals/prompts.jsonl}", gates.warmup),
            ("eval", "{set: evals/sort.jsonl}", gates.eval),
        )
        if stated is None
    ]
    for gate, example in missing:
        yield Refusal(
            f"services.{name}.gates.{gate}",
            "nothing",
            f"the {gate} gate",
            "no weight rises for a release that nothing was measured of, at the first deployment neither",
            f"write `{gate}: {example}` under services.{name}.gates",
        )


def _files(name: str, service: ServiceConfig) -> Iterator[Refusal]:
    gates = service.gates
    stated = [(f"{color}.release", pool.release, "releases/sort-good-1.yaml") for color, pool in service.pools.items()]
    stated += [("gates.warmup.prompts", gates.warmup.prompts, "evals/prompts.jsonl")] if gates.warmup else []
    stated += [("gates.eval.set", gates.eval.set, "evals/sort.jsonl")] if gates.eval else []
    for field, file, example in stated:
        path = f"services.{name}.{field}"
        problem = path_problem(file)
        ending = "." + example.rsplit(".", 1)[-1]
        if problem:
            yield Refusal(path, repr(file), "a path inside the project, from its root", f"this one {problem}", how_to_set(path, example))
        elif not file.endswith((ending, ".yml" if ending == ".yaml" else ending)):
            yield Refusal(path, repr(file), f"a {ending} file", "the name says how the file is read", how_to_set(path, example))


def _sticky_header(name: str, service: ServiceConfig) -> Iterator[Refusal]:
    header = service.sticky_header
    if header is None:
        return
    path = f"services.{name}.stickyHeader"
    if not HEADER_NAME.fullmatch(header):
        yield Refusal(
            path,
            repr(header),
            "a header's name: letters, digits and -",
            "clients send their session in that header",
            how_to_set(path, "x-session-id"),
        )
    elif header.lower() in RESERVED_HEADERS or header.lower().startswith("x-verdigris-"):
        yield Refusal(
            path,
            repr(header),
            "a header that tells clients apart",
            "this one is the same for everybody or belongs to the connection or to Verdigris",
            how_to_set(path, "x-session-id"),
        )
