"""Ports and addresses, all from the config alone, so that the router never depends on a resource of a pool that may be broken."""

from __future__ import annotations

from delivery.color import Color
from delivery.config_models import MAX_REPLICAS, ServiceConfig, StackConfig

LOOPBACK = "127.0.0.1"
"""Where engines and the router's admin interface listen on the local target: clients must only get past the router."""

FIRST_ENGINE_OFFSET = 20
"""A sole service's engines begin here above the base port; the ports between are the router's."""

GREEN_OFFSET = MAX_REPLICAS
ENGINE_PORTS = 2 * MAX_REPLICAS
"""Ports that one service owns, whether it uses them or not: raising `replicas` never moves another port."""


def router_port(config: StackConfig) -> int:
    """The port that clients call."""
    return config.base_port if config.router.port is None else config.router.port


def admin_port(config: StackConfig) -> int:
    """The port of the router's admin interface, on loopback."""
    return config.base_port + 1


def first_engine_port(config: StackConfig, service: ServiceConfig) -> int:
    """The first of the ports that a service owns. Services beside others must name theirs (a rule of the config)."""
    return config.base_port + FIRST_ENGINE_OFFSET if service.engine_port is None else service.engine_port


def engine_port(config: StackConfig, service: ServiceConfig, color: Color, replica: int) -> int:
    """The port of one engine; replicas count from 0."""
    offset = 0 if color is Color.BLUE else GREEN_OFFSET
    return first_engine_port(config, service) + offset + replica


def engine_addresses(config: StackConfig, service: ServiceConfig, color: Color) -> tuple[str, ...]:
    """`host:port` of every engine of a color, in the order of the replicas; empty for a color without a pool."""
    pool = service.pool(color)
    replicas = 0 if pool is None else pool.replicas
    return tuple(f"{LOOPBACK}:{engine_port(config, service, color, replica)}" for replica in range(replicas))
