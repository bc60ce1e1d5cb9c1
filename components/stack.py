"""A whole stack: the target, the router and the services on it, in the order of the config."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.model_service import ModelService
from components.settings import Settings
from components.targets.local import LocalTarget
from components.targets.target import Target
from components.weighted_router import WeightedRouter
from delivery.config import Target as Where
from delivery.plan import ServicePlan
from providers.secret_file import SecretFile


def deploy(settings: Settings, plans: Mapping[str, ServicePlan]) -> None:
    """Register every resource and export what people look for."""
    target = _target(settings)
    if settings.api_key is not None:
        target.key = SecretFile("engine-key", path=str(settings.home.engine_key), value=settings.api_key.value)
    router = WeightedRouter("router", target, settings.topology, settings.home, _router_secrets(settings, target))
    grader_key = _grader_key(settings)
    services = {
        name: ModelService(settings.services[name], plans[name], settings.sets[name], target, router, settings.home, grader_key)
        for name in plans
    }
    pulumi.export("url", router.url)
    pulumi.export("logs", str(settings.home.logs))
    pulumi.export("weights", {name: service.split.weights for name, service in services.items()})
    pulumi.export("releases", {name: _releases(settings, name) for name in services})


def _target(settings: Settings) -> Target:
    keyed, load_seconds = settings.api_key is not None, _load_seconds(settings)
    if settings.config.target is Where.DOCKER:
        from components.targets.docker import DockerTarget  # here: its SDK takes a second to load

        return DockerTarget(settings.root, settings.home, settings.config, keyed=keyed, load_seconds=load_seconds)
    return LocalTarget(settings.root, settings.home, keyed=keyed, load_seconds=load_seconds)


def _router_secrets(settings: Settings, target: Target) -> list[SecretFile]:
    """What the router needs to know beside its own secret: the keys of clients, and the engines' key, which it sends in their place."""
    if settings.client_keys is None:
        return []
    keys = SecretFile("client-keys", path=str(settings.home.client_keys), value=settings.client_keys)
    return [keys, target.key] if isinstance(target.key, SecretFile) else [keys]


def _grader_key(settings: Settings) -> list[SecretFile]:
    key = settings.grader_key
    return [SecretFile("grader-key", path=str(settings.home.grader_key), value=key.value)] if key else []


def _releases(settings: Settings, name: str) -> dict[str, str]:
    return {color.value: ref.digest for color, ref in settings.services[name].releases.items()}


def _load_seconds(settings: Settings) -> float:
    """How long an engine on a shared GPU may load before the next one goes on without it: the longest that a warm-up would wait."""
    deadlines = [service.gates.warmup.deadline_seconds for service in settings.config.services.values() if service.gates.warmup]
    return max(deadlines, default=600.0)
