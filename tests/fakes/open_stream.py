"""A stream through a stack's router that lasts as long as a test wants."""

from __future__ import annotations

import http.client
import json
import threading

from delivery.client_api import COLOR_HEADER, SECRET_HEADER
from delivery.color import Color
from scripts.stack_driver import StackDriver

_LONGEST_SECONDS = 240.0


class OpenStream:
    """A stream on one color. With the engine's fault `hang` it stays open until the fault ends."""

    def __init__(self, stack: StackDriver, color: Color) -> None:
        self.text: str | None = None
        secret = stack.home.forced_color_secret.read_text(encoding="utf-8")
        self._headers = {"Content-Type": "application/json", COLOR_HEADER: color.value, SECRET_HEADER: secret}
        self._body = json.dumps({"model": "sorter", "stream": True, "messages": [{"role": "user", "content": "sort 52413"}]})
        self._port = int(stack.config["basePort"])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_LONGEST_SECONDS)
        try:
            connection.request("POST", "/v1/chat/completions", self._body, self._headers)
            self.text = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.text = f"cut: {error!r}"
        finally:
            connection.close()

    def assert_whole(self) -> None:
        """Wait for its end; fails unless it ended as the engine meant it."""
        self._thread.join(60)
        assert self.text is not None, "the stream did not end"
        assert self.text.rstrip().endswith("data: [DONE]"), self.text
        assert '"finish_reason": "stop"' in self.text or '"finish_reason":"stop"' in self.text, self.text
