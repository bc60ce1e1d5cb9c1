"""A Docker engine of the tests' own, with images made here, and stacks on it. Needs root, dockerd and Pulumi's plugin for Docker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.make_images import make_all
from scripts.private_docker import PrivateDocker, private_docker


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateDocker]:
    """Gone afterwards, with every container, network and image of it."""
    with private_docker() as running:
        make_all(running.host)
        yield running
