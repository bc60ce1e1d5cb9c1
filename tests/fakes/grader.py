"""A grading model: an HTTP server in this process that passes answers whose digits are in order, as a rubric about sorting would."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Grader:
    """What it was asked, and how it behaves: no `key`: any will do; the next `failures` get 503; `reply`: instead of verdicts."""

    url: str = ""
    key: str = ""
    failures: int = 0
    reply: str = ""
    hangs: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0

    def answer(self, headers: Any, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the body of one reply."""
        if self.key and headers.get("Authorization") != f"Bearer {self.key}":
            self.refused += 1
            return 401, {"error": {"message": "no key"}}
        if self.hangs:
            time.sleep(5)
        if self.failures:
            self.failures -= 1
            return 503, {"error": {"message": "busy"}}
        self.asked.append(body)
        found = re.search(r"<answer>\n(.*)\n</answer>", body["messages"][-1]["content"], re.DOTALL)
        digits = found[1].strip() if found else ""
        verdict = self.reply or f"The digits are {digits}.\n{'PASS' if digits == ''.join(sorted(digits)) else 'FAIL'}"
        choice = {"index": 0, "message": {"role": "assistant", "content": verdict}, "finish_reason": "stop"}
        return 200, {"choices": [choice], "usage": {"completion_tokens": 8}}


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5 a busy machine resets connections
    daemon_threads, block_on_close = True, False


@contextlib.contextmanager
def start_grader(key: str = "", certificate: tuple[Path, Path] | None = None) -> Iterator[Grader]:
    """A grader on a port of its own, with TLS where it is given a certificate and its key."""
    grader = Grader(key=key)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, reply = grader.answer(self.headers, body)
            text = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    grader.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield grader
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
