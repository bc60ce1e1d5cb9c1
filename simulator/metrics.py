"""The numbers of one engine and their text under vLLM's names (Prometheus exposition format 0.0.4). No client library: it starts fast."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

# The bucket bounds of vLLM 0.32 (v1/metrics/loggers.py), in seconds.
_FIRST_TOKEN_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560)
_BETWEEN_TOKENS_BOUNDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)
_REQUEST_BOUNDS = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)
_FINISH_REASONS = ("stop", "length", "abort", "error")


class Histogram:
    """A Prometheus histogram."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, `times` over."""
        self._counts[bisect_left(self._bounds, value)] += times
        self.sum += value * times

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._counts)

    def lines(self, name: str, labels: str) -> Iterable[str]:
        """The samples in exposition format: cumulative buckets, count and sum."""
        total = 0
        for bound, count in zip([*map(float, self._bounds), "+Inf"], self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {float(total)}'
        yield f"{name}_count{{{labels}}} {float(total)}"
        yield f"{name}_sum{{{labels}}} {self.sum}"


class Metrics:
    """Counts of one engine process. `started_at` is its start, in seconds since the epoch."""

    def __init__(self, model_name: str, started_at: float) -> None:
        self._labels = f'engine="0",model_name="{model_name}"'
        self._started_at = started_at
        self.running = 0
        self.waiting = 0
        self.tokens_in_cache = 0
        self.cache_capacity_tokens = 1
        self.asleep = False
        self.prefix_queries_tokens = 0
        self.prefix_hits_tokens = 0
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.finished: Counter[str] = Counter()
        self.first_token = Histogram(_FIRST_TOKEN_BOUNDS)
        self.between_tokens = Histogram(_BETWEEN_TOKENS_BOUNDS)
        self.request = Histogram(_REQUEST_BOUNDS)

    def text(self) -> str:
        """The page that /metrics answers."""
        lines = ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {_go_float(self._started_at)}"]
        gauges = {
            "vllm:num_requests_running": self.running,
            "vllm:num_requests_waiting": self.waiting,
            "vllm:kv_cache_usage_perc": min(1.0, self.tokens_in_cache / self.cache_capacity_tokens),
        }
        counters = {
            "vllm:prefix_cache_queries": self.prefix_queries_tokens,
            "vllm:prefix_cache_hits": self.prefix_hits_tokens,
            "vllm:prompt_tokens": self.prompt_tokens,
            "vllm:generation_tokens": self.generation_tokens,
        }
        histograms = {
            "vllm:time_to_first_token_seconds": self.first_token,
            "vllm:inter_token_latency_seconds": self.between_tokens,
            "vllm:e2e_request_latency_seconds": self.request,
        }
        for name, value in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name}{{{self._labels}}} {float(value)}"]
        for name, value in counters.items():
            lines += [f"# TYPE {name}_total counter", f"{name}_total{{{self._labels}}} {float(value)}"]
        lines.append("# TYPE vllm:request_success_total counter")
        lines += [
            f'vllm:request_success_total{{{self._labels},finished_reason="{reason}"}} {float(self.finished[reason])}'
            for reason in _FINISH_REASONS
        ]
        for name, histogram in histograms.items():
            lines += [f"# TYPE {name} histogram", *histogram.lines(name, self._labels)]
        return "\n".join(lines) + "\n"


def _go_float(value: float) -> str:
    """Large numbers as Prometheus' Python client writes them (1.7637091e+09), so that readers meet the form they meet in vLLM."""
    digits = repr(value)
    whole, _, fraction = digits.partition(".")
    if len(whole) <= 6:
        return digits
    return f"{whole[0]}.{(whole[1:] + fraction).rstrip('0') or '0'}e+{len(whole) - 1:02}"
