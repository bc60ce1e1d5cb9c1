"""Secrets as files with mode 0600, which programs read at their start: so no value is in an argument, a log or a plain output."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from probes.atomic_file import write_atomically
from providers.refused import refusals
from providers.resource import Inputs, Provider, inputs

_PRIVATE = 0o600
_RANDOM_BYTES = 16


class SecretFileInputs(Inputs):
    """`value` is a Pulumi secret; it is never an output."""

    path: str
    value: str = ""


class RandomSecretFileInputs(Inputs):
    """`path`: where the value is made, once."""

    path: str


def digest_of(value: str) -> str:
    """Tells whether the value changed; not the value."""
    return hashlib.sha256(value.encode()).hexdigest()[:12]


def _write(path: Path, value: str) -> None:
    with refusals():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, value, _PRIVATE)


def _digest_on_disk(path: Path) -> str | None:
    """None for a file that is not there, or that others may read."""
    try:
        return digest_of(path.read_text(encoding="utf-8")) if path.stat().st_mode & 0o777 == _PRIVATE else None
    except OSError:
        return None


class _FileProvider(Provider):
    """What both kinds share: gone is gone, and delete deletes."""

    identity = ("path",)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        with refusals():
            Path(_props["path"]).unlink(missing_ok=True)

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        digest = _digest_on_disk(Path(_props["path"]))
        return None if digest is None else {"path": _props["path"], "digest": digest}


class SecretFileProvider(_FileProvider):
    """Writes a given secret."""

    model = SecretFileInputs

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write it."""
        outs = self._written(props)
        return CreateResult(outs["path"], outs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write it again."""
        return UpdateResult(self._written(_news))

    def changed(self, _olds: dict[str, Any], _wanted: SecretFileInputs) -> bool:
        """Compares with the disk, by digest."""
        wanted = digest_of(_wanted.value)
        return _olds.get("digest") != wanted or _digest_on_disk(Path(_wanted.path)) != wanted

    def _written(self, props: dict[str, Any]) -> dict[str, Any]:
        wanted = inputs(SecretFileInputs, props)
        _write(Path(wanted.path), wanted.value)
        return {"path": wanted.path, "digest": digest_of(wanted.value)}


class RandomSecretFileProvider(_FileProvider):
    """Makes 32 random hexadecimal characters once and keeps what is there."""

    model = RandomSecretFileInputs

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make it, unless it is there."""
        outs = self._kept(props)
        return CreateResult(outs["path"], outs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Make it anew where it was lost."""
        return UpdateResult(self._kept(_news))

    def changed(self, _olds: dict[str, Any], _wanted: RandomSecretFileInputs) -> bool:
        """Lost, or another one than the state knows."""
        digest = _digest_on_disk(Path(_wanted.path))
        return digest is None or digest != _olds.get("digest")

    def _kept(self, props: dict[str, Any]) -> dict[str, Any]:
        path = Path(inputs(RandomSecretFileInputs, props).path)
        if _digest_on_disk(path) is None:
            _write(path, secrets.token_hex(_RANDOM_BYTES))
        return {"path": str(path), "digest": _digest_on_disk(path)}


class SecretFile(Resource, module="verdigris", name="SecretFile"):
    """A secret in a file. `digest` changes with the value."""

    path: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(self, name: str, *, path: pulumi.Input[str], value: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(SecretFileProvider(), name, {"path": path, "value": pulumi.Output.secret(value), "digest": None}, opts)


class RandomSecretFile(Resource, module="verdigris", name="RandomSecretFile"):
    """A secret that nobody has to know, made on this machine."""

    path: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(self, name: str, *, path: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(RandomSecretFileProvider(), name, {"path": path, "digest": None}, opts)
