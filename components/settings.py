"""What a stack is told: its config, its releases and its evaluation sets, read and checked before anything is registered."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG

from components.client_keys import read_client_keys
from components.secret_key import API_KEY, GRADER_KEY, SecretKey, read_key
from delivery.client_keys import limit_refusals
from delivery.config import ServiceConfig, StackConfig, Target, parse_config
from delivery.container import in_container
from delivery.desired import DesiredService, Machine, ReleaseRef, desired_service, desired_topology
from delivery.docker_rules import image_refusals
from delivery.receipt import GateName
from delivery.refusal import Refusal, Refusals
from delivery.release_rules import pool_refusals
from delivery.topology import TlsFiles, Topology
from probes.eval_files import read_eval_set, read_prompts
from probes.release_files import load_release
from probes.stack_home import StackHome, home_of
from probes.tls_files import read_tls
from probes.vllm_python import vllm_python

NAMESPACE = "verdigris:"
SECRETS = frozenset({API_KEY, GRADER_KEY, "clientKeys"})
"""Keys that are read as secrets and so never reach the schema."""

STRUCTURED = frozenset({"router", "docker", "services"})
"""Keys whose values Pulumi hands over as JSON; a scalar is handed over as its text."""


@dataclass(frozen=True)
class Settings:
    """Everything the program is told, checked. `sets` holds each service's gates with the digest of their items."""

    home: StackHome
    root: Path
    config: StackConfig
    services: dict[str, DesiredService]
    sets: dict[str, dict[GateName, str]]
    topology: Topology
    api_key: SecretKey | None
    grader_key: SecretKey | None
    client_keys: pulumi.Output[str] | None


@contextmanager
def mistakes_without_traceback() -> Iterator[None]:
    """Shows a user's mistakes as they are worded; everything else keeps its traceback."""
    try:
        yield
    except (Refusal, Refusals) as error:
        raise pulumi.RunError(str(error)) from None


def load_settings(root: Path) -> Settings:
    """Read config, releases and sets. Raises Refusal or Refusals for whatever is wrong with them; only reads."""
    config = parse_config(_raw())
    services = {name: _desired(root, config, name) for name in sorted(config.services)}
    sets = {name: _sets(root, service) for name, service in sorted(config.services.items())}
    home = home_of(root, pulumi.get_stack())
    client_keys = read_client_keys(root)
    if unkeyed := limit_refusals(config, keyed=client_keys is not None):
        raise Refusals(unkeyed)
    topology = desired_topology(config, services, _tls(root, config), keyed=client_keys is not None)
    return Settings(home, root, config, services, sets, topology, read_key(API_KEY), read_key(GRADER_KEY), client_keys)


def _tls(root: Path, config: StackConfig) -> TlsFiles | None:
    tls = config.router.tls
    return None if tls is None else read_tls(root, tls.certificate, tls.key)


def _raw() -> dict[str, object]:
    """The namespace as plain values, unknown keys included: the schema refuses them by name."""
    found = {key.removeprefix(NAMESPACE): text for key, text in CONFIG.get().items() if key.startswith(NAMESPACE)}
    return {key: _value(key, text) for key, text in found.items() if key not in SECRETS}


def _value(key: str, text: str) -> Any:
    """Pulumi turns every scalar into text: numbers are read back, text that is none stays for the schema to refuse."""
    if key not in STRUCTURED and not text.strip().lstrip("-").isdigit():
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _desired(root: Path, config: StackConfig, name: str) -> DesiredService:
    pools, in_docker = config.services[name].pools, config.target is Target.DOCKER
    loaded = _all([partial(load_release, root, pool.release) for pool in pools.values()])
    broken = [
        refusal
        for (color, pool), one in zip(pools.items(), loaded, strict=True)
        for refusal in [
            *pool_refusals(f"services.{name}.{color}", pool, one.release),
            *(image_refusals(f"services.{name}.{color}", pool.release, one.release) if in_docker else []),
        ]
    ]
    if broken:
        raise Refusals(broken)
    refs = {color: ReleaseRef(one.release, one.digest) for color, one in zip(pools, loaded, strict=True)}
    if in_docker:
        key = read_key(API_KEY)
        return desired_service(config, name, refs, in_container(key.digest if key else None))
    vllm = vllm_python(root, {one.release.engine for one in loaded}, f"services.{name}")
    return desired_service(config, name, refs, Machine(root=str(root), simulator=sys.executable, vllm=vllm))


def _sets(root: Path, service: ServiceConfig) -> dict[GateName, str]:
    sets = {}
    if service.gates.warmup:
        read_prompts(root, service.gates.warmup.prompts)
        sets[GateName.WARMUP] = ""
    if service.gates.eval:
        sets[GateName.EVAL] = read_eval_set(root, service.gates.eval).digest
    return sets


def _all(reads: list[Callable[[], Any]]) -> list[Any]:
    """Do all of them and raise every refusal at once, so that a person mends them in one go."""
    results, refusals = [], []
    for read in reads:
        try:
            results.append(read())
        except Refusal as refusal:
            refusals.append(refusal)
        except Refusals as several:
            refusals += several.refusals
    if refusals:
        raise Refusals(refusals)
    return results
