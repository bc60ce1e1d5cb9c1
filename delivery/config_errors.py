"""Turns what pydantic says about a config or a release into refusals that a person can act on. Reasons: delivery/field_notes.py."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from delivery.field_notes import FieldNote
from delivery.refusal import Refusal

MAX_SHOWN = 80
"""Characters of a wrong value that are repeated to the user."""

KINDS = {
    "int_type": "an integer", "int_parsing_size": "an integer of ordinary size", "float_type": "a number", "bool_type": "true or false",
    "string_type": "text", "dict_type": "a map", "model_type": "a map", "model_attributes_type": "a map", "tuple_type": "a list",
    "list_type": "a list", "finite_number": "a finite number", "string_too_short": "text that is not empty", "json_invalid": "plain text",
    "string_unicode": "text in valid Unicode",
}  # fmt: skip
BOUNDS = {"greater_than_equal": ("at least", "ge"), "greater_than": ("more than", "gt"),
          "less_than_equal": ("at most", "le"), "less_than": ("less than", "lt")}  # fmt: skip
UNKNOWN_FIELD = FieldNote("the field has no such value", "a value of that kind")


@dataclass(frozen=True)
class Document:
    """What was parsed: its model, the reasons of its fields, how one sets a field (`advise(path, example)`), and how its paths begin."""

    model: type[BaseModel]
    notes: Mapping[str, FieldNote]
    advise: Callable[[str, str], str]
    root: str
    prefix: str = ""


def refusals_of(error: ValidationError, document: Document) -> list[Refusal]:
    """One refusal for each mistake."""
    found: dict[str, Refusal] = {}
    for detail in error.errors(include_url=False, include_context=True):
        refusal = _refusal(detail, document)
        # A union of types reports one error a member: the first is enough.
        found.setdefault(refusal.path, refusal)
    return list(found.values())


def _refusal(detail: Any, document: Document) -> Refusal:
    loc = _own_parts(detail["loc"], document.model)
    field = path_text(loc)
    path = document.prefix + field if field else document.root
    if detail["type"] == "extra_forbidden":
        return _unknown_key(path, loc, detail["input"], document.model)
    note = _note(loc, document.notes)
    got, need = ("nothing", "a value") if detail["type"] == "missing" else (shown(detail["input"]), _need(detail))
    return Refusal(path, got, need, note.because, document.advise(field, note.example))


def path_text(loc: tuple[int | str, ...]) -> str:
    """`services.chat.steps[1]`; a key that isn't a plain word is quoted, so that the path can be pasted into `pulumi config`."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("-", "").replace("_", "").isalnum() and part.isascii():
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def shown(value: object) -> str:
    """A value as JSON, so that "25" and 25 look different; long ones are cut."""
    if value is None:
        return "nothing"
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def suggestion(word: str, known: list[str]) -> str:
    """What to write instead of an unknown key."""
    plain = word.lower().replace("_", "")
    close = difflib.get_close_matches(plain, [name.lower() for name in known], n=1, cutoff=0.7)
    begun = [name for name in known if len(plain) > 2 and (name.lower().startswith(plain) or plain.startswith(name.lower()))]
    meant = next((name for name in known if close and name.lower() == close[0]), begun[0] if begun else None)
    return f"write `{meant}`" if meant else f"remove it; the known keys are {', '.join(known)}"


def _need(detail: Any) -> str:
    kind, context = str(detail["type"]), detail.get("ctx", {})
    if kind == "enum":
        return str(context["expected"]).replace("'", "")
    if kind in BOUNDS:
        words, key = BOUNDS[kind]
        return f"{words} {context[key]}"
    if kind == "too_short":
        return f"at least {context['min_length']} entry"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    return KINDS.get(kind) or str(detail["msg"]).removeprefix("Value error, ")


def _unknown_key(path: str, loc: tuple[int | str, ...], value: object, model: type[BaseModel]) -> Refusal:
    parent = _model_at(loc[:-1], model)
    known = [] if parent is None else [field.alias or name for name, field in parent.model_fields.items()]
    return Refusal(path, shown(value), "a known key", "an unknown one would be ignored, and what it was meant to say lost",
                   suggestion(str(loc[-1]), known))  # fmt: skip


def _note(loc: tuple[int | str, ...], notes: Mapping[str, FieldNote]) -> FieldNote:
    """The note of the innermost field that has one. The names of services are the user's own words, not fields."""
    fields = ("service", *loc[2:]) if loc[:1] == ("services",) and len(loc) > 1 else loc
    return next((notes[part] for part in reversed(fields) if isinstance(part, str) and part in notes), UNKNOWN_FIELD)


def _own_parts(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[int | str, ...]:
    """The location without what pydantic adds to it for members of a union (`args.x.list[…].0.str`)."""
    if "args" not in model.model_fields:
        return loc
    return loc[:2]


def _model_at(loc: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel] | None:
    """The model that describes the map at a location; None when there is none (a free map)."""
    kind: Any = model
    for part in loc:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            continue
        here = _model_in(kind)
        fields = {} if here is None else here.model_fields
        kind = next((field.annotation for name, field in fields.items() if part in (field.alias, name)), None)
    return _model_in(kind)


def _model_in(kind: Any) -> type[BaseModel] | None:
    """The model inside `M` or `M | None`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for argument in get_args(kind) if (found := _model_in(argument)) is not None), None)
