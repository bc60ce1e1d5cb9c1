"""Numbers over a set of events: counts by outcome and color, percentiles. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from traffic.events import Event, Outcome


@dataclass(frozen=True)
class Summary:
    """What became of the requests of a span of time. Latencies count from the planned moment; NaN where nothing was measured."""

    requests: int
    """All, streams included."""
    streams: int
    failed: int
    """Requests, streamed or not, that got no proper answer; cut streams aren't among them."""
    streams_cut: int
    by_color: dict[str, int]
    """Requests by the color that answered (whatever the outcome); "" are those that no color answered."""
    failed_by_color: dict[str, int]
    """Failed and cut, by color."""
    reasons: dict[str, int]
    """Why requests failed or streams were cut."""
    p50_seconds: float
    p99_seconds: float
    """Of plain requests that were answered."""
    first_token_p50_seconds: float
    first_token_p99_seconds: float
    """Of streams that began."""
    sent_late_p99_seconds: float
    """How late requests left: when this is large the machine was too busy to send, and latencies are an upper bound."""
    seconds: float
    """From the first planned moment to the last end."""

    @property
    def clean(self) -> bool:
        """Something was sent, nothing failed and no stream was cut."""
        return self.requests > 0 and self.failed == 0 and self.streams_cut == 0

    def exposed(self, color: str) -> int:
        """How many requests this color answered, well or badly."""
        return self.by_color.get(color, 0)

    def share_percent(self, color: str) -> float:
        """The measured split: this color's percent of the requests that any color answered; NaN when none did."""
        answered = sum(count for name, count in self.by_color.items() if name)
        return 100 * self.exposed(color) / answered if answered else math.nan


def summarize(events: Iterable[Event], *, since: float = -math.inf, until: float = math.inf) -> Summary:
    """The summary of the requests planned from `since` up to (not including) `until`, both in seconds since the epoch."""
    chosen = [event for event in events if since <= event.planned_at < until]
    bad = [event for event in chosen if event.outcome is not Outcome.OK]
    latencies = [event.latency_seconds for event in chosen if not event.stream and event.outcome is Outcome.OK]
    first_tokens = [event.first_token_seconds for event in chosen if event.first_token_seconds is not None]
    return Summary(
        requests=len(chosen),
        streams=sum(event.stream for event in chosen),
        failed=sum(event.outcome is Outcome.FAILED for event in chosen),
        streams_cut=sum(event.outcome is Outcome.CUT for event in chosen),
        by_color=dict(Counter(event.color for event in chosen)),
        failed_by_color=dict(Counter(event.color for event in bad)),
        reasons=dict(Counter(event.reason for event in bad)),
        p50_seconds=percentile(latencies, 50),
        p99_seconds=percentile(latencies, 99),
        first_token_p50_seconds=percentile(first_tokens, 50),
        first_token_p99_seconds=percentile(first_tokens, 99),
        sent_late_p99_seconds=percentile([event.sent_at - event.planned_at for event in chosen], 99),
        seconds=max(event.ended_at for event in chosen) - min(event.planned_at for event in chosen) if chosen else 0.0,
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; NaN of nothing."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]
