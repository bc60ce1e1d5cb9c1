"""`python -m traffic`: a load in a process of its own, so that it and its driver don't slow each other down.

The API key comes from OPENAI_API_KEY, or with all other settings as a line of JSON on standard input (`--settings-from-stdin`;
the load then ends when standard input is closed, and so never outlives the process that started it). Never from argv.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from traffic.events import Event
from traffic.load import Load
from traffic.settings import LoadSettings
from traffic.summary import summarize

_FLUSH_SECONDS = 0.1


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="traffic", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings-from-stdin", action="store_true")
    parser.add_argument("--url", default="")
    parser.add_argument("--model", default="")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--stream-share", type=float, default=0.25)
    parser.add_argument("--stream-tokens", type=int, default=40)
    parser.add_argument("--events", type=Path, default=None, help="a file that gets a line of JSON for each request, as it ends")
    parser.add_argument("--json", action="store_true", help="print the summary as one line of JSON")
    given = parser.parse_args(arguments)
    if not given.settings_from_stdin and not (given.url and given.model):
        parser.error("need --url and --model (or --settings-from-stdin)")
    return given


def _settings(given: argparse.Namespace) -> LoadSettings:
    if given.settings_from_stdin:
        return LoadSettings.from_json(sys.stdin.readline())
    return LoadSettings(
        url=given.url,
        model=given.model,
        rate=given.rate,
        seconds=given.seconds,
        stream_share=given.stream_share,
        stream_tokens=given.stream_tokens,
        api_key=os.environ.get("OPENAI_API_KEY", ""),
    )


async def _run(settings: LoadSettings, events_file: Path | None, until_stdin_closes: bool) -> list[Event]:
    loop = asyncio.get_running_loop()
    events: list[Event] = []
    async with Load(settings, on_event=events.append) as load:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, load.stop)
        if until_stdin_closes:
            # readline() has read one line and the writer sends no more: the descriptor becomes readable when it is closed.
            loop.add_reader(sys.stdin.fileno(), _stop_at_the_end_of_stdin, loop, load)
        ended = asyncio.create_task(load.finished())
        written = 0
        while not ended.done():
            await asyncio.wait([ended], timeout=_FLUSH_SECONDS)
            written = _append(events_file, events, written)
        await ended
    _append(events_file, events, written)
    return events


def _stop_at_the_end_of_stdin(loop: asyncio.AbstractEventLoop, load: Load) -> None:
    loop.remove_reader(sys.stdin.fileno())
    load.stop()


def _append(events_file: Path | None, events: list[Event], written: int) -> int:
    """Append the events that aren't written yet, whole lines at a time; returns how many are written now."""
    if events_file is not None and len(events) > written:
        with events_file.open("a", encoding="utf-8") as file:
            file.write("".join(event.to_line() for event in events[written:]))
    return len(events)


def main(arguments: Sequence[str]) -> int:
    """Run one load; 0 when nothing failed and no stream was cut."""
    given = _arguments(arguments)
    try:
        settings = _settings(given)
    except (TypeError, ValueError) as error:
        print(f"traffic: {error}", file=sys.stderr)
        return 2
    summary = summarize(asyncio.run(_run(settings, given.events, given.settings_from_stdin)))
    if given.json:
        print(json.dumps(asdict(summary)))
    return 0 if summary.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
