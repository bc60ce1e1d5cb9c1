"""A load in a process of its own, driven from synchronous code."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from traffic.events import Event
from traffic.settings import LoadSettings
from traffic.summary import Summary, summarize

_ROOT = Path(__file__).resolve().parents[1]
# Beyond the timeout of the last requests: for the process to start, write and end on a busy machine.
_GRACE_SECONDS = 30.0


class BackgroundLoad:
    """A load from the entry of a `with` block to its exit (or `stop`). Events are kept in `events_file` (a temporary one unless given).

    Secrets travel through a pipe: they are in no argv, environment or file. The load ends with this process, however that ends.
    """

    def __init__(self, settings: LoadSettings, events_file: Path | None = None) -> None:
        self.settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="traffic-") if events_file is None else None
        self.events_file = events_file or Path(self._folder.name if self._folder else "") / "events.jsonl"
        self._process: subprocess.Popen[str] | None = None
        self._events: list[Event] = []
        self._read_bytes = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.stop()
        finally:
            if self._folder is not None:
                self._folder.cleanup()

    def start(self) -> Self:
        """Start sending. The first requests are due once the process runs, in well under a second on an idle machine."""
        command = [sys.executable, "-m", "traffic", "--settings-from-stdin", "--events", str(self.events_file.resolve())]
        self.events_file.write_text("", encoding="utf-8")
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        self._process.stdin.write(self.settings.to_json() + "\n")
        self._process.stdin.flush()
        return self

    def stop(self) -> Summary:
        """Stop sending, wait for the requests in flight, and sum up everything. A second call only sums up.

        Raises RuntimeError when the load's process broke.
        """
        process, self._process = self._process, None
        if process is not None:
            try:
                _, complaints = process.communicate(timeout=self.settings.timeout_seconds + _GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                _, complaints = process.communicate()
            # 1 says that requests failed, which is a result.
            if process.returncode not in (0, 1) or "Traceback" in complaints:
                raise RuntimeError(f"the load ended with {process.returncode}: {complaints}")
        return self.summary()

    @property
    def events(self) -> list[Event]:
        """The requests that have ended, at most a tenth of a second behind."""
        if self.events_file.exists():
            with self.events_file.open("rb") as file:
                file.seek(self._read_bytes)
                # A line that is being written has no end yet and is read next time.
                text = file.read().rpartition(b"\n")[0]
            if text:
                self._read_bytes += len(text) + 1
                self._events += [Event.from_line(line) for line in text.decode().splitlines()]
        return self._events

    def summary(self, *, since: float = 0.0, until: float = float("inf")) -> Summary:
        """What became of the requests planned in a span of time (seconds since the epoch, `time.time()`) that have ended so far."""
        return summarize(self.events, since=since, until=until)

    def wait_for(self, requests: int, *, since: float = 0.0, deadline_seconds: float = 60.0) -> Summary:
        """Wait until this many requests planned since then have ended.

        Raises TimeoutError past the deadline, RuntimeError when the load ended before.
        """
        deadline = time.monotonic() + deadline_seconds
        while (summary := self.summary(since=since)).requests < requests:
            if self._process is None or (self._process.poll() is not None and self.summary(since=since).requests < requests):
                raise RuntimeError(f"the load ended after {summary.requests} requests, need {requests}: {summary.reasons}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{summary.requests} requests ended within {deadline_seconds} s, need {requests}")
            time.sleep(0.05)
        return summary
