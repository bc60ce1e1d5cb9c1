"""Addresses of engines in a stack's Docker network follow from the config alone."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import pairwise

from delivery.config import parse_config
from delivery.config_models import StackConfig
from delivery.docker_addresses import default_subnet, engine_ip, engine_ports, subnet_of
from tests.unit.config_cases import changed


def config(**changes: object) -> StackConfig:
    """The valid config on the docker target."""
    return parse_config(changed({"target": "docker", **changes}))


def test_stacks_whose_base_ports_are_100_apart_have_networks_apart() -> None:
    networks = [default_subnet(port) for port in range(9600, 9600 + 64 * 100, 100)]
    assert len(set(networks)) == 64
    assert not any(one.overlaps(other) for one, other in pairwise(networks))


def test_every_engine_port_has_an_address_of_its_own_that_is_neither_network_gateway_nor_broadcast() -> None:
    stack = config()
    addresses = [IPv4Address(engine_ip(stack, port)) for port in engine_ports(stack)]
    network = subnet_of(stack)
    assert len(set(addresses)) == len(addresses)
    assert all(address in network for address in addresses)
    assert not {network[0], network[1], network.broadcast_address} & set(addresses)


def test_an_address_counts_from_the_named_network() -> None:
    stack = config(**{"docker.subnet": "172.30.8.0/23"})
    assert engine_ip(stack, stack.base_port + 20) == "172.30.8.22"
