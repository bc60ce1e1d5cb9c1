"""The path prefixes by which the router tells services apart. What lies behind a prefix is delivery/client_api.py's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from delivery.config_advice import how_to_set
from delivery.config_models import Routing, StackConfig
from delivery.refusal import Refusal

PREFIX = re.compile(r"/|(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")


def prefix_refusals(config: StackConfig) -> list[Refusal]:
    """Prefixes that are no prefixes, and services that a path can't tell apart."""
    if config.router.routing is Routing.MODEL:
        return []  # delivery/gateway_rules.py: there are no prefixes then
    shapeless = list(_shapes(config))
    return shapeless or [*_unnamed(config), *_confusions(config)]


def _shapes(config: StackConfig) -> Iterator[Refusal]:
    for name, service in config.services.items():
        path, prefix = f"services.{name}.pathPrefix", service.path_prefix
        if not PREFIX.fullmatch(prefix):
            yield Refusal(
                path,
                repr(prefix),
                "/ or words that each begin with / (such as /chat), without a / at the end",
                "the router compares it with the beginning of a path",
                how_to_set(path, f"/{name}"),
            )
        elif "v1" in prefix.split("/"):
            yield Refusal(
                path,
                repr(prefix),
                "a prefix without /v1",
                "clients add /v1/chat/completions themselves",
                how_to_set(path, prefix.split("/v1")[0] or "/"),
            )


def _unnamed(config: StackConfig) -> Iterator[Refusal]:
    if len(config.services) < 2:
        return
    for name, service in config.services.items():
        if service.path_prefix == "/":
            path = f"services.{name}.pathPrefix"
            yield Refusal(
                path,
                repr("/"),
                "a prefix of its own for each of several services",
                "every path begins with /, so it would take all requests",
                how_to_set(path, f"/{name}"),
            )


def _confusions(config: StackConfig) -> Iterator[Refusal]:
    prefixes = {name: service.path_prefix for name, service in config.services.items() if service.path_prefix != "/"}
    for one, other in combinations(prefixes, 2):
        shorter, longer = sorted((prefixes[one], prefixes[other]), key=len)
        if f"{longer}/".startswith(f"{shorter}/"):
            path = f"services.{other}.pathPrefix"
            yield Refusal(
                path,
                repr(prefixes[other]),
                f"a prefix that isn't part of {one}'s ({prefixes[one]!r}) or the other way round",
                f"a path under {longer} would belong to both services",
                how_to_set(path, f"/{other}"),
            )
