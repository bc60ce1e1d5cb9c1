"""Where engines are in a stack's Docker network: from the config alone, so that the router depends on no container."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from delivery.config_models import StackConfig

CONTAINER_ANY = "0.0.0.0"
"""Where an engine listens inside its container; it is published on loopback only."""

_DEFAULT_SUBNETS = IPv4Network("10.231.0.0/16")
_DEFAULT_PREFIX = 22
_FIRST_HOST = 2
"""Host 1 of a Docker network is its gateway."""


def default_subnet(base_port: int) -> IPv4Network:
    """The network of a stack that names none: another one for another base port, as far as 64 networks go."""
    count = 2 ** (_DEFAULT_PREFIX - _DEFAULT_SUBNETS.prefixlen)
    begin = int(_DEFAULT_SUBNETS.network_address) + (base_port // 100) % count * 2 ** (32 - _DEFAULT_PREFIX)
    return IPv4Network((begin, _DEFAULT_PREFIX))


def subnet_of(config: StackConfig) -> IPv4Network:
    """The network of the stack. Raises ValueError for a `docker.subnet` that is none (a rule of the config refuses it before)."""
    return default_subnet(config.base_port) if config.docker.subnet is None else IPv4Network(config.docker.subnet)


def engine_ports(config: StackConfig) -> range:
    """The engine ports that have an address in the network: an engine's address counts from the base port as its port does."""
    return range(config.base_port, config.base_port + subnet_of(config).num_addresses - 1 - _FIRST_HOST)


def engine_ip(config: StackConfig, port: int) -> str:
    """The address of the engine with that port."""
    return str(IPv4Address(int(subnet_of(config).network_address) + _FIRST_HOST + port - config.base_port))
