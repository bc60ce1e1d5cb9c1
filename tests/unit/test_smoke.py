"""The smoke test and the count of colors, against a small router that can lie and cut."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from delivery.client_api import COLOR_HEADER, SECRET_HEADER
from delivery.color import Color
from probes.color_count import count_colors
from probes.smoke import SmokeTarget, smoke

WHOLE = {"choices": [{"message": {"content": "12345"}, "finish_reason": "stop"}], "usage": {"completion_tokens": 5}}


def chunk(content: str = "", finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": content}, "finish_reason": finish}]}


GOOD_STREAM = [chunk("123"), chunk("45"), chunk(finish="stop"), "[DONE]"]


class Router(ThreadingHTTPServer):
    """Answers as it was told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plain: object = WHOLE
        self.stream: list[object] = list(GOOD_STREAM)
        self.color = "green"
        self.asked = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Router

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.asked += 1
            number = self.server.asked
        color = {1: "blue", 2: "", 3: "red"}.get(number, "green")
        self._answer(200 if number != 4 else 503, b"{}", color)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers.get(SECRET_HEADER) != "s3cret" or self.headers.get(COLOR_HEADER) != "green":
            self._answer(403, b"not forced", self.server.color)
        elif body["stream"]:
            events = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in self.server.stream)
            self._answer(200, events.encode(), self.server.color)
        else:
            self._answer(200, json.dumps(self.server.plain).encode(), self.server.color)

    def _answer(self, status: int, body: bytes, color: str) -> None:
        self.send_response(status)
        if color:
            self.send_header(COLOR_HEADER, color)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def router() -> Iterator[Router]:
    with Router() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def target(router: Router, secret: str = "s3cret") -> SmokeTarget:
    return SmokeTarget(router.url, "/", "toy", Color.GREEN, secret)


def test_two_whole_answers_of_the_color_pass(router: Router) -> None:
    assert smoke(target(router)) is None


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (GOOD_STREAM[:-1], "green (streamed) cut a stream: it ended without [DONE] after 2 chunks"),
        ([chunk("1"), chunk(finish="abort"), "[DONE]"], "finish_reason abort"),
        ([chunk("1"), {"error": {"message": "engine died"}}, "[DONE]"], "sent an error in a stream after 1 chunks"),
        ([chunk(finish="stop"), "[DONE]"], "without a token"),
        ([chunk("1"), "[DONE]"], "without a finish_reason"),
        (["{", "[DONE]"], "which is no JSON"),
        ([{"x": 1}, "[DONE]"], "no chunk of a chat completion"),
    ],
)
def test_a_stream_that_is_not_whole_is_named(router: Router, events: list[object], said: str) -> None:
    router.stream = events
    assert said in str(smoke(target(router)))


@pytest.mark.parametrize(("plain", "said"), [({"choices": []}, "no chat completion"), ([], "no JSON object")])
def test_a_plain_answer_that_is_no_completion_is_named(router: Router, plain: object, said: str) -> None:
    router.plain = plain
    assert said in str(smoke(target(router)))


def test_an_answer_of_the_other_color_is_named(router: Router) -> None:
    router.color = "blue"
    assert smoke(target(router)) == "green (plain) was answered by blue"
    router.color = ""
    assert smoke(target(router)) == "green (plain) was answered by no color"


def test_the_secret_is_not_in_what_went_wrong(router: Router) -> None:
    reason = smoke(target(router, "wr0ng"))
    assert "answered 403" in str(reason)
    assert "wr0ng" not in str(reason)


def test_colors_are_counted_and_answers_without_one_apart(router: Router) -> None:
    assert count_colors(router.url, "/v1/models", 50) == {Color.BLUE: 1, Color.GREEN: 46, None: 3}


def test_a_router_that_is_gone_is_no_color() -> None:
    assert count_colors("http://127.0.0.1:20398", "/v1/models", 3) == {None: 3}


def test_a_count_with_many_lost_probes_ends_early() -> None:
    lost = count_colors("http://127.0.0.1:20398", "/v1/models", 1000)[None]
    assert 24 <= lost < 40
