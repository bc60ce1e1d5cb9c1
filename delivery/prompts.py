"""Prompts as people write them in JSONL. Owns their form, reading a file line by line, and the order in which a warm-up replays them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from delivery.refusal import Refusal, Refusals

Messages = list[dict[str, str]]
ModelT = TypeVar("ModelT", bound=BaseModel)


class Message(BaseModel):
    """One chat message."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: str = Field(min_length=1)
    content: str


class Prompt(BaseModel):
    """Either `messages` or `prompt`, which stands for one user message. `max_tokens` bounds the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    messages: list[Message] | None = Field(default=None, min_length=1)
    prompt: str | None = Field(default=None, min_length=1)
    max_tokens: int = Field(default=64, ge=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.messages is None) == (self.prompt is None):
            raise ValueError("need either messages or prompt, and not both")
        return self

    def chat(self) -> Messages:
        """The messages to send."""
        if self.messages is not None:
            return [message.model_dump() for message in self.messages]
        return [{"role": "user", "content": self.prompt or ""}]


def parse_prompts(text: str, path: str) -> tuple[Prompt, ...]:
    """The prompts of a JSONL file, in the order in which to replay them. Raises Refusals that name file and line."""
    prompts, refusals = read_lines(text, path, Prompt)
    if refusals:
        raise Refusals(refusals)
    if not prompts:
        raise Refusals([empty_file(path, "a prompt")])
    return shared_prefixes_first([prompt for _, prompt in prompts])


def shared_prefixes_first(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """One prompt of each opening, the most shared opening first, then the rest: so the prefix cache is filled before it is used."""
    shares = Counter(_opening(prompt) for prompt in prompts)
    seen: set[str] = set()
    firsts: list[Prompt] = []
    rest: list[Prompt] = []
    for prompt in sorted(prompts, key=lambda prompt: -shares[_opening(prompt)]):
        opening = _opening(prompt)
        (rest if opening in seen else firsts).append(prompt)
        seen.add(opening)
    return (*firsts, *rest)


def read_lines(text: str, path: str, model: type[ModelT]) -> tuple[list[tuple[int, ModelT]], list[Refusal]]:
    """The objects of a JSONL text with their line numbers, and a refusal for each line that is none. Empty lines are skipped."""
    parsed: list[tuple[int, ModelT]] = []
    refusals: list[Refusal] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            value: Any = json.loads(line)
            parsed.append((number, model.model_validate(value)))
        except ValidationError as error:
            refusals.extend(_refusals_of(error, where))
        except (ValueError, RecursionError) as error:
            because = "the file is read line by line"
            refusals.append(Refusal(where, f"no JSON ({error})", "one JSON object on a line", because, "mend the line"))
    return parsed, refusals


def empty_file(path: str, what: str) -> Refusal:
    """The refusal of a file without a single line to use."""
    return Refusal(path, "nothing", f"at least {what}", "nothing measured is never a pass", "add lines or name another file")


def _refusals_of(error: ValidationError, where: str) -> Iterator[Refusal]:
    for problem in error.errors(include_url=False):
        field = ".".join(str(part) for part in problem["loc"]) or "the line"
        got = repr(problem["input"])
        shown = got if len(got) <= 80 else got[:77] + "..."
        need = problem["msg"].removeprefix("Value error, ").removeprefix("need ")
        yield Refusal(f"{where} {field}", shown, need, "a misread line would measure something else", "mend the line")


def _opening(prompt: Prompt) -> str:
    """What prompts share: the first message where there are several, else nothing but the prompt itself."""
    chat = prompt.chat()
    return json.dumps(chat[0] if len(chat) > 1 else chat)
