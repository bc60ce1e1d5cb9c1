"""What our dynamic providers share: inputs checked at the door (numbers arrive as floats, unknowns as Unknown) and safe defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pulumi.dynamic import CheckFailure, CheckResult, DiffResult, ReadResult, ResourceProvider
from pulumi.output import Unknown
from pydantic import BaseModel, ConfigDict, ValidationError

PROVIDER_KEY = "__provider"
M = TypeVar("M", bound="Inputs")


class Inputs(BaseModel):
    """Base of the inputs of a provider. Unknown keys are ignored: the same model reads outputs, and states of older versions.

    Give every field added later a default, or `delete` of an old state fails.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


def inputs(model: type[M], props: Mapping[str, Any]) -> M:
    """Properties as Pulumi hands them over, cast and validated. Raises pydantic.ValidationError."""
    return model.model_validate({key: value for key, value in props.items() if key != PROVIDER_KEY})


def has_unknowns(value: Any) -> bool:
    """Whether something in there is only known after another resource was created (in a preview)."""
    if isinstance(value, Mapping):
        return any(has_unknowns(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknowns(item) for item in value)
    return isinstance(value, Unknown)


class Provider(ResourceProvider):
    """Nothing secret is pickled, and no default of Pulumi is left that loses outputs or says nothing about changes.

    Subclasses implement `create`, `changed`, `update`, `present` and `delete`; `identity` names the inputs that make it another resource.
    """

    serialize_as_secret_always = False
    model: ClassVar[type[Inputs]]
    identity: ClassVar[tuple[str, ...]] = ()

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse inputs that don't fit the model; those with unknowns are checked when they are known."""
        known = {key: value for key, value in news.items() if not has_unknowns(value)}
        failures: list[CheckFailure] = []
        if len(known) == len(news):
            try:
                inputs(self.model, news)
            except ValidationError as error:
                failures = [CheckFailure(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        return CheckResult(news, failures or [CheckFailure("", reason) for reason in self.objections(known, is_new=not _olds)])

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare with the live world, not only with the state."""
        replaces = [key for key in self.identity if not isinstance(_news.get(key), Unknown) and _olds.get(key) != _news.get(key)]
        if replaces or has_unknowns(_news):
            return DiffResult(changes=True, replaces=replaces, delete_before_replace=True)
        return DiffResult(changes=self.changed(_olds, inputs(self.model, _news)), replaces=[], delete_before_replace=True)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """The live outputs; an empty id when it is gone."""
        live = self.present({key: value for key, value in props.items() if key != PROVIDER_KEY})
        return ReadResult("", {}) if live is None else ReadResult(id_, live)

    def objections(self, _known: Mapping[str, Any], *, is_new: bool) -> list[str]:
        """Reasons to refuse valid inputs, found by only reading; shown at preview. Inputs that are unknown yet are left out of `_known`."""
        return []

    def changed(self, _olds: dict[str, Any], _wanted: Any) -> bool:
        """Whether the live world differs from what is wanted. Reads only, answers within seconds, copes with an unreachable world."""
        raise NotImplementedError

    def present(self, _props: dict[str, Any]) -> dict[str, Any] | None:
        """The outputs as they are in the world, None when the resource is gone."""
        raise NotImplementedError
