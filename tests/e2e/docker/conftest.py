"""A Docker engine of the tests' own, with images made here, and stacks on it. Needs root, dockerd and Pulumi's plugin for Docker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.make_images import make_all
from scripts.private_docker import PrivateDocker, private_docker
from scripts.stack_driver import StackDriver
from tests.fakes.docker_stack import rollout_stack
from tests.fakes.stack_faults import SmallDisk


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateDocker]:
    """Gone afterwards, with every container, network and image of it."""
    with private_docker() as running:
        make_all(running.host)
        yield running


@pytest.fixture(scope="session")
def envoy(tmp_path_factory: pytest.TempPathFactory, engine: PrivateDocker) -> Iterator[tuple[StackDriver, SmallDisk]]:
    """One stack for all tests that leave it as they like: each begins with what it needs."""
    with rollout_stack(tmp_path_factory.mktemp("envoy"), engine, "envoy") as deployed:
        yield deployed
