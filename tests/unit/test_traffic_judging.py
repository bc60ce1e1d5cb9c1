"""When an answer counts as whole, and what the numbers of a load mean. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from traffic.events import Event, Outcome
from traffic.judging import judge_plain, judge_stream
from traffic.settings import LoadSettings
from traffic.summary import percentile, summarize


def chunk(content: str | None, finish_reason: str | None = None, separators: tuple[str, str] = (",", ":")) -> bytes:
    delta = {} if content is None else {"content": content}
    data = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
    return b"data: " + json.dumps(data, separators=separators).encode() + b"\n\n"


def usage(tokens: int) -> bytes:
    return b"data: " + json.dumps({"choices": [], "usage": {"completion_tokens": tokens}}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
THREE = chunk("") + chunk("1") + chunk("2") + chunk("3")
ERROR = b'data: {"error":{"message":"x","type":"InternalServerError","code":500}}\n\n'


def test_a_whole_stream_is_ok() -> None:
    judgement = judge_stream(THREE + chunk("", "stop") + DONE, 3)
    assert (judgement.outcome, judgement.tokens, judgement.reason) == (Outcome.OK, 3, "")


def test_tokens_are_counted_the_same_however_the_json_is_spaced() -> None:
    spaced = b"".join(chunk(text, separators=(", ", ": ")) for text in ("", "1", "2", "3"))
    assert judge_stream(spaced + chunk("4", "length", (", ", ": ")) + DONE, 4).tokens == 4


def test_usage_counts_where_chunks_hold_several_tokens() -> None:
    assert judge_stream(chunk("123") + chunk(None, "length") + usage(3) + DONE, 3).outcome is Outcome.OK
    assert judge_stream(THREE + chunk("", "stop") + usage(2) + DONE, 3).reason == "too few tokens"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (THREE + chunk("", "stop"), "no [DONE]"),
        (THREE + chunk("", "abort") + DONE, "finish_reason abort"),
        (THREE + chunk("", "abort"), "finish_reason abort"),
        (THREE + DONE, "no finish_reason"),
        (chunk("1") + chunk("", "stop") + DONE, "too few tokens"),
        (THREE + ERROR + DONE, "error chunk"),
        (THREE + b"data: {\n\n" + DONE, "unreadable chunk"),
        (b"", "no [DONE]"),
        (DONE, "no finish_reason"),
        (THREE + chunk("", "stop")[:-4] + b"\n\n" + DONE, "unreadable chunk"),
    ],
)
def test_a_stream_that_misses_anything_is_cut(body: bytes, reason: str) -> None:
    judgement = judge_stream(body, 3)
    assert (judgement.outcome, judgement.reason) == (Outcome.CUT, reason)


def plain(content: object, finish_reason: str | None = "stop") -> bytes:
    choice = {"message": {"content": content}, "finish_reason": finish_reason}
    return json.dumps({"choices": [choice], "usage": {"completion_tokens": 4}}).encode()


def test_a_plain_answer_needs_shape_text_and_a_proper_end() -> None:
    assert judge_plain(plain("123")).outcome is Outcome.OK
    assert judge_plain(plain("")).reason == "empty answer"
    assert judge_plain(plain(None)).reason == "empty answer"
    assert judge_plain(plain("1", "abort")).reason == "finish_reason abort"
    assert judge_plain(plain("1", None)).outcome is Outcome.FAILED
    for body in (b"", b"[]", b"{}", b"null", b'{"choices":[]}', b"<html>"):
        assert judge_plain(body).reason == "wrong shape"


def event(**changes: object) -> Event:
    good = Event(False, Outcome.OK, "", 10.0, 10.0, 10.5, None, 6, 200, "blue", "r1")
    return replace(good, **changes)  # type: ignore[arg-type]


def test_an_event_survives_its_line() -> None:
    cut = event(stream=True, outcome=Outcome.CUT, reason="reset", first_token_seconds=0.25, color="green")
    assert Event.from_line(cut.to_line()) == cut
    with pytest.raises(ValueError, match="need a list"):
        Event.from_line("[1]")


def test_failed_and_cut_are_counted_apart() -> None:
    events = [
        event(),
        event(stream=True, first_token_seconds=0.1, color="green"),
        event(outcome=Outcome.FAILED, reason="status 503", status=503, color=""),
        event(stream=True, outcome=Outcome.CUT, reason="reset", first_token_seconds=0.2, color="green"),
        event(stream=True, outcome=Outcome.FAILED, reason="no connection", status=0, color=""),
    ]
    summary = summarize(events)
    assert (summary.requests, summary.streams, summary.failed, summary.streams_cut) == (5, 3, 2, 1)
    assert summary.by_color == {"blue": 1, "green": 2, "": 2}
    assert summary.failed_by_color == {"": 2, "green": 1}
    assert summary.reasons == {"status 503": 1, "reset": 1, "no connection": 1}
    assert not summary.clean
    assert (summary.exposed("green"), summary.exposed("red")) == (2, 0)
    assert round(summary.share_percent("green")) == 67


def test_only_the_span_that_is_asked_for_counts() -> None:
    events = [event(planned_at=float(moment), ended_at=moment + 1.0) for moment in range(10)]
    assert summarize(events, since=3, until=5).requests == 2
    assert summarize(events, since=3).requests == 7


def test_latency_counts_from_the_planned_moment() -> None:
    summary = summarize([event(planned_at=1.0, sent_at=3.0, ended_at=4.0)])
    assert (summary.p50_seconds, summary.sent_late_p99_seconds) == (3.0, 2.0)


def test_nothing_sent_is_not_clean() -> None:
    summary = summarize([])
    assert not summary.clean
    assert math.isnan(summary.p99_seconds)
    assert math.isnan(summary.share_percent("blue"))


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100), percentile([7.0], 1)) == (50, 99, 100, 7)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 0.3, 1.0])
def test_streams_are_mixed_in_evenly(share: float) -> None:
    settings = LoadSettings("http://x", "m", stream_share=share)
    flags = [settings.is_stream(index) for index in range(1000)]
    assert abs(sum(flags) - 1000 * share) <= 1
    assert abs(sum(flags[:500]) - 500 * share) <= 1


@pytest.mark.parametrize("changes", [{"rate": 0}, {"stream_share": 2}, {"stream_tokens": 0}, {"seconds": 0}])
def test_settings_out_of_range_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        LoadSettings("http://x", "m", **changes)  # type: ignore[arg-type]


def test_secrets_are_not_in_the_text_of_settings() -> None:
    settings = LoadSettings("http://x", "m", api_key="k-123", headers={"x-force": "s-456"})
    assert "k-123" not in repr(settings)
    assert "s-456" not in repr(settings)
    assert LoadSettings.from_json(settings.to_json()) == settings
