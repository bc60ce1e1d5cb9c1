"""The rules of a config and a release on the docker target."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

from delivery.addresses import ENGINE_PORTS, first_engine_port
from delivery.config_advice import how_to_set
from delivery.config_models import DockerConfig, StackConfig, Target
from delivery.docker_addresses import default_subnet, engine_ports
from delivery.refusal import Refusal
from delivery.release import Release

LONGEST_PREFIX = 24
"""A network has to hold at least one service's engines: 100 addresses."""


def docker_refusals(config: StackConfig) -> list[Refusal]:
    """Everything that is wrong with `docker` in this config."""
    if config.target is not Target.DOCKER:
        return list(_needless(config))
    return list(_subnet(config)) or list(_ports(config))


def image_refusals(path: str, file: str, release: Release) -> list[Refusal]:
    """A release without an image can't be a container; `path` is the pool's, such as `services.chat.blue`, `file` its release."""
    if release.image:
        return []
    image = "vllm/vllm-openai:v0.11.0" if release.engine.is_vllm else "verdigris/simulator:dev"
    return [
        Refusal(
            f"{path}.release", f"{file} without `image`", "an image in the release", "the docker target starts its engines from one",
            f"write `image: {image}` into {file}",
        )
    ]  # fmt: skip


def _needless(config: StackConfig) -> Iterator[Refusal]:
    if config.docker != DockerConfig():
        yield Refusal(
            "docker", "settings for Docker", "target: docker, or no `docker`", "they would be ignored",
            how_to_set("target", "docker") + ", or remove `docker`",
        )  # fmt: skip


def _subnet(config: StackConfig) -> Iterator[Refusal]:
    wanted = config.docker.subnet
    if wanted is None:
        return
    advice = how_to_set("docker.subnet", str(default_subnet(config.base_port)))
    try:
        network = IPv4Network(wanted)
    except (AddressValueError, NetmaskValueError, ValueError):
        yield Refusal("docker.subnet", repr(wanted), "an IPv4 network", "the engines of the stack get addresses in it", advice)
        return
    if not network.is_private or network.prefixlen > LONGEST_PREFIX:
        because = "engines are reached from this machine only, and a service owns 100 addresses"
        yield Refusal("docker.subnet", wanted, f"a private network of /{LONGEST_PREFIX} or larger", because, advice)


def _ports(config: StackConfig) -> Iterator[Refusal]:
    ports = engine_ports(config)
    for name, service in config.services.items():
        first = first_engine_port(config, service)
        if first not in ports or first + ENGINE_PORTS - 1 not in ports:
            path = f"services.{name}.enginePort"
            yield Refusal(
                path, first, f"a port from {ports.start} to {ports.stop - ENGINE_PORTS}",
                "an engine's address in the Docker network counts from basePort as its port does",
                how_to_set(path, ports.start + 20) + ", or name a larger docker.subnet",
            )  # fmt: skip
