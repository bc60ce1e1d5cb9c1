"""How long a flip takes: from the rename of the route file to the last whole reply of the old color."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.color_probe import ColorProbe, Reply
from benchmarks.report import BenchFailed
from delivery.color import Color

_BEFORE_SECONDS, _WINDOW_SECONDS = 0.02, 0.08
_SETTLED_REPLIES = 12  # of the new color in a row: two of each probing connection
_MOST_WINDOWS = 50


class RenameClock:
    """When a file was last renamed into place by this process. Python tells its audit hooks, so the code under test stays as it is."""

    def __init__(self, file: Path) -> None:
        self.renamed_at = float("nan")
        self._file = str(file.resolve())
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and str(arguments[1]) == self._file:
            self.renamed_at = time.monotonic()


def timed_flip(probe: ColorProbe, clock: RenameClock, write: Callable[[], None], new: Color) -> float:
    """Write amid probing; the seconds of the flip. Raises BenchFailed for a reply that is neither color, or a flip that never comes."""
    probe.begin(_BEFORE_SECONDS + _WINDOW_SECONDS)
    time.sleep(_BEFORE_SECONDS)
    write()
    replies = probe.replies()
    for _ in range(_MOST_WINDOWS):
        if any(color not in list(Color) for _, color in replies):
            raise BenchFailed("got a probe without an answer of a color, need every one answered amid a flip")
        if settled(replies, new):
            return flip_seconds(replies, clock.renamed_at, new)
        probe.begin(_WINDOW_SECONDS)
        replies += probe.replies()
    raise BenchFailed(f"waited {_MOST_WINDOWS * _WINDOW_SECONDS:g} s for all replies to be {new}, in vain")


def settled(replies: Sequence[Reply], new: str) -> bool:
    """Whether the last replies are all of the new color."""
    return len(replies) >= _SETTLED_REPLIES and all(color == new for _, color in replies[-_SETTLED_REPLIES:])


def flip_seconds(replies: Sequence[Reply], renamed_at: float, new: str) -> float:
    """From the rename to the last reply of another color; 0 when none came after it."""
    late = [at - renamed_at for at, color in replies if color != new]
    return max(0.0, max(late, default=0.0))
