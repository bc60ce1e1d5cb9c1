"""The resource of the router's files: the services, pools and engines that it knows. Weights are TrafficSplit's and stay as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult
from pydantic import ValidationError

from delivery.refusal import Refusal
from delivery.topology import SECRET_FIELDS, Topology
from probes import router_files
from probes.router import RouterUnreachable
from probes.router_drift import unusable_file
from probes.stack_home import StackHome
from providers.refused import refusals
from providers.resource import Inputs, Provider, inputs


class RouterFilesInputs(Inputs):
    """`topology`: JSON of delivery.topology.Topology without its secret fields, which are read from the home's secrets when written.
    `secrets`: digests of their files, so that a preview shows a changed one."""

    home: str
    topology: str
    secrets: list[str] = []


def _wanted_topology(wanted: RouterFilesInputs) -> Topology:
    """Raises Refusal without the secret's file, or for a text that is no topology."""
    try:
        topology = json.loads(wanted.topology)
        return Topology.model_validate(topology | _secret_fields(StackHome(Path(wanted.home)), keyed=bool(topology.get("keyed"))))
    except OSError as error:
        because = "the router is to let in whoever sends it"
        raise Refusal(str(error.filename), error.strerror, "a secret of this stack", because, "run a whole `pulumi up`") from None
    except (ValidationError, ValueError) as error:
        raise Refusal("topology", f"a text that is none ({type(error).__name__})", "a topology", "it is rendered", "report it") from None


def _secret_fields(home: StackHome, *, keyed: bool) -> dict[str, Any]:
    """Raises OSError and ValueError. The engines' key is the router's to send only where clients have keys of their own."""
    fields: dict[str, Any] = {"forced_color_secret": home.forced_color_secret.read_text(encoding="utf-8").strip()}
    if keyed:
        fields["client_keys"] = json.loads(home.client_keys.read_text(encoding="utf-8"))
        if home.engine_key.is_file():
            fields["engine_key"] = home.engine_key.read_text(encoding="utf-8").strip()
    return fields


class RouterFilesProvider(Provider):
    """Writes topology, bootstrap, clusters and routes."""

    model = RouterFilesInputs
    identity = ("home",)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write them."""
        outs = _written(inputs(RouterFilesInputs, props))
        return CreateResult(outs["home"], outs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write them again; the weights that are live stay."""
        return UpdateResult(_written(inputs(RouterFilesInputs, _news)))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the router's folder; the router itself was stopped before."""
        shutil.rmtree(StackHome(Path(inputs(RouterFilesInputs, _props).home)).router, ignore_errors=True)

    def changed(self, _olds: dict[str, Any], _wanted: RouterFilesInputs) -> bool:
        """Compares with the disk: another topology, or files that a hand broke."""
        home = StackHome(Path(_wanted.home)).path
        if sorted(_olds.get("secrets") or []) != sorted(_wanted.secrets):
            return True
        try:
            written = router_files.read_topology(home)
            return written != _wanted_topology(_wanted) or unusable_file(home, written) is not None
        except (RouterUnreachable, Refusal):
            return True

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        """Gone without a topology; else the topology on disk, without the secret."""
        home = StackHome(Path(_props["home"]))
        if not home.topology.is_file():
            return None
        try:
            live = router_files.read_topology(home.path)
        except RouterUnreachable:
            return {**_props, "topology": "unreadable"}
        same = json.loads(_props["topology"]) == live.model_dump(mode="json", exclude=set(SECRET_FIELDS))
        return _props if same else {**_props, "topology": live.model_dump_json(exclude=set(SECRET_FIELDS))}


def _written(wanted: RouterFilesInputs) -> dict[str, Any]:
    with refusals():
        router_files.write_topology(StackHome(Path(wanted.home)).path, _wanted_topology(wanted))
    return wanted.model_dump(mode="json")


class RouterFiles(Resource, module="verdigris", name="RouterFiles"):
    """What the router knows. Depends on the files of its secrets, whose digests are `secrets`."""

    home: pulumi.Output[str]
    topology: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        home: pulumi.Input[str],
        topology: pulumi.Input[str],
        secrets: Sequence[pulumi.Input[str]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(RouterFilesProvider(), name, {"home": home, "topology": topology, "secrets": list(secrets)}, opts)
