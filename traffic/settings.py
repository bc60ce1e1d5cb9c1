"""What load to send: numbers, bounds and headers, and their JSON. Sending is left to `load.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class LoadSettings:
    """One constant load. Raises ValueError for numbers out of range."""

    url: str
    """Of the router or an engine, with or without a path prefix: `/v1/chat/completions` is added."""
    model: str
    rate: float = 20.0
    """Requests a second, plain and streamed together."""
    stream_share: float = 0.25
    """The part of the requests that are streamed, 0 to 1, evenly mixed in."""
    stream_tokens: int = 40
    """Tokens of each stream. They are asked for with `ignore_eos`, so any model's streams last that long."""
    plain_tokens: int = 16
    """max_tokens of a plain request."""
    prompt: str = "sort {digits}"
    """The user message; {digits} becomes a number of five digits, another one for each request."""
    seconds: float = 3600.0
    """The load ends by itself after this time."""
    count: int | None = None
    """The load ends by itself after this many requests."""
    timeout_seconds: float = 60.0
    """For each request, from sending to the last byte."""
    most_in_flight: int = 4000
    """A request due beyond it isn't sent and counts as failed ("not sent"): a dead endpoint must not eat the machine."""
    api_key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with each request."""
    sticky_header: str = ""
    """Where given, each request carries this header with one of `sticky_values` values, in turn."""
    sticky_values: int = 100

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(f"rate: got {self.rate}, need more than 0 requests a second")
        if not 0 <= self.stream_share <= 1:
            raise ValueError(f"stream_share: got {self.stream_share}, need 0 to 1")
        if min(self.stream_tokens, self.plain_tokens, self.most_in_flight, self.sticky_values) < 1:
            raise ValueError("stream_tokens, plain_tokens, most_in_flight, sticky_values: need 1 or more")
        if not (self.seconds > 0 and self.timeout_seconds > 0):
            raise ValueError("seconds, timeout_seconds: need more than 0")

    def is_stream(self, index: int) -> bool:
        """Whether the request of this index is streamed: evenly spread, and exactly `stream_share` in the long run."""
        return int((index + 1) * self.stream_share) > int(index * self.stream_share)

    def to_json(self) -> str:
        """One line, secrets included: for a pipe, never for a file or argv."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LoadSettings:
        """The settings of such a line. Raises TypeError or ValueError for any other text."""
        return cls(**json.loads(text))
