"""The router of a stack: its files, its secrets and its process. The weights in it are each service's TrafficSplit's."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.targets.target import Target
from delivery.topology import SECRET_FIELDS, Topology
from probes.stack_home import StackHome
from providers.router_files import RouterFiles
from providers.secret_file import RandomSecretFile, SecretFile


class WeightedRouter(pulumi.ComponentResource):
    """One address for all services. It depends on nothing of a pool: addresses follow from the config."""

    def __init__(self, name: str, target: Target, topology: Topology, home: StackHome, secrets: Sequence[SecretFile] = ()) -> None:
        super().__init__("verdigris:index:WeightedRouter", name)
        child = pulumi.ResourceOptions(parent=self)
        secret = RandomSecretFile("forced-color", path=str(home.forced_color_secret), opts=child)
        files = RouterFiles(
            "router-files",
            home=str(home.path),
            topology=topology.model_dump_json(exclude=set(SECRET_FIELDS)),
            secrets=[each.digest for each in secrets],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[secret, *secrets]),
        )
        process = target.router(topology, pulumi.ResourceOptions(parent=self, depends_on=[files, *target.ground]))
        host = "127.0.0.1" if topology.router_host == "0.0.0.0" else topology.router_host
        self.url = f"{topology.scheme}://{host}:{topology.router_port}"
        self.ready: list[pulumi.Resource] = [files, process]
        self.register_outputs({"url": self.url})
