"""What a user may set about the gates of a service. Owns the shape, bounds and defaults; what they mean is in `gates`."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel


class _GateModel(BaseModel):
    """camelCase in YAML, snake_case in Python; unknown keys are errors; immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False)


class WarmupSettings(_GateModel):
    """The warm-up gate: real tokens from every engine of a pool until time to first token is steady."""

    prompts: str = Field(min_length=1, description="JSONL of prompts shaped like production, relative to the project root")
    deadline_seconds: float = Field(default=600, gt=0, description="waiting for engines to load their model included")
    min_rounds: int = Field(default=3, ge=2, description="steadiness compares rounds, so one is never enough")
    max_rounds: int = Field(default=20, ge=2)
    steady_ratio: float = Field(default=1.3, gt=1, description="last rounds' median time to first token against the best round's")


class GraderSettings(_GateModel):
    """Who grades the items of kind `model_graded`: a model behind OpenAI's API, best another one than those compared."""

    url: str = Field(description="up to and with /v1")
    model: str = Field(min_length=1)
    max_tokens: int = Field(default=512, ge=1, description="of its reply, thinking included")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
            raise ValueError("an address that begins with http:// or https://")
        return url


class EvalSettings(_GateModel):
    """The evaluation gate: an absolute floor, and not worse than the baseline by more than a margin."""

    set: str = Field(min_length=1, description="JSONL evaluation set, relative to the project root")
    margin_percent: float = Field(default=5, gt=0, lt=100, description="the loss of points that is still acceptable")
    confidence_percent: float = Field(default=95, gt=50, lt=100, description="one-sided")
    minimum_score_percent: float = Field(default=80, ge=0, le=100, description="the absolute floor of the candidate's score")
    concurrency: int = Field(default=16, ge=1, le=512, description="requests in flight over both pools together")
    deadline_seconds: float = Field(default=900, gt=0)
    grader: GraderSettings | None = None
