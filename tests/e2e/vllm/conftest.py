"""What the tests of real vLLM engines share: a stack of them that is deployed once, a constant load on it, the official client."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from delivery.client_api import COLOR_HEADER, SECRET_HEADER
from delivery.color import Color
from probes import own_processes
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import live_stack
from traffic.background import BackgroundLoad
from traffic.settings import LoadSettings

ROOT = Path(__file__).resolve().parents[3]
CLIENT = Path(__file__).with_name("official_client.py")
BASE_PORT = 23_000
"""Away from the ports that the other tiers deal out: an engine keeps its ports for minutes."""

GOOD, PROMPT, UNDER_TRAINED = (f"releases/sort-vllm-{name}.yaml" for name in ("good", "prompt", "under-trained"))
GATE_SECONDS = 420
"""An engine is healthy after 20 s on two idle cores and after minutes on busy ones."""

CLIENT_SECONDS = 300.0
REQUESTS_A_SECOND = 3.0


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """The interpreter that has vLLM; the models are trained when they are not there."""
    subprocess.run([ROOT / "scripts/make-models"], check=True)
    return subprocess.run([ROOT / "scripts/setup-vllm", "--python"], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def stack(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    """A stack whose blue is the good release and that has no green; made, not yet deployed. Which Python starts its engines is the
    product's business. Two engines and a load share the cores: times to first token vary more than on a machine of one's own. The model
    is trained on each machine and right on 98 to 100 of 100: with this margin a few lost items are no reason to stop."""
    gates = {
        "warmup": {"prompts": "evals/prompts.jsonl", "deadlineSeconds": GATE_SECONDS, "maxRounds": 60, "steadyRatio": 2},
        "eval": {"set": "evals/sort.jsonl", "deadlineSeconds": GATE_SECONDS, "marginPercent": 10},
    }
    service: dict[str, Any] = {
        "steps": [25, 75, 100], "blue": {"release": GOOD}, "green": None, "gates": gates, "drain": {"deadlineSeconds": 120}
    }  # fmt: skip
    with live_stack(tmp_path_factory.mktemp("stack"), "vllm", destroy=True, **service) as made:
        made.config["basePort"] = BASE_PORT
        yield made


@pytest.fixture(scope="module")
def load(stack: StackDriver) -> Iterator[BackgroundLoad]:
    """A load with streams, from its first use to the end of the module."""
    settings = LoadSettings(
        url=f"http://127.0.0.1:{BASE_PORT}", model="sorter", rate=REQUESTS_A_SECOND, stream_share=0.34, timeout_seconds=CLIENT_SECONDS
    )
    with BackgroundLoad(settings) as load:
        yield load


@dataclass(frozen=True)
class OfficialClient:
    """The `openai` package against the stack's router."""

    python: str
    stack: StackDriver

    def right_of(self, count: int) -> dict[str, Any]:
        """Ask for `count` numbers to be sorted, every second one streamed."""
        done = subprocess.run(self._command("right", count), check=True, capture_output=True, text=True, timeout=CLIENT_SECONDS)
        answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answers

    @contextlib.contextmanager
    def long_stream(self, color: Color) -> Iterator[LongStream]:
        """A stream on this color whose first token came. Its engine stands still until `go_on`, so that whatever is done meanwhile
        is done with the stream in flight, on a fast machine and on a slow one."""
        secret = self.stack.home.forced_color_secret.read_text(encoding="utf-8").strip()
        environment = os.environ | {"OFFICIAL_CLIENT_HEADERS": json.dumps({COLOR_HEADER: color, SECRET_HEADER: secret})}
        command = self._command("stream", LongStream.TOKENS)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as client:
            stream = LongStream(client, self.stack, color)
            try:
                assert client.stdout is not None
                assert json.loads(client.stdout.readline()) == "started"
                yield stream.stand_still()
            finally:
                stream.go_on()
                client.kill()

    def _command(self, what: str, number: int) -> list[str]:
        return [self.python, str(CLIENT), f"{self.stack.router.url}/v1", "sorter", what, str(number)]


@dataclass
class LongStream:
    """A stream in flight. The engine's processes are stopped (SIGSTOP), all of them: none can finish the stream unseen."""

    client: subprocess.Popen[str]
    stack: StackDriver
    color: Color
    TOKENS = 900

    def stand_still(self) -> Self:
        """Let the engine do nothing from now on."""
        self._send(signal.SIGSTOP)
        return self

    def go_on(self) -> None:
        """Let the engine work again."""
        self._send(signal.SIGCONT)

    def end(self) -> dict[str, Any]:
        """How it ended, for the client; empty when it broke off with an error."""
        out, _ = self.client.communicate(timeout=CLIENT_SECONDS)
        ended: dict[str, Any] = json.loads(out or "{}")
        return ended

    def _send(self, number: signal.Signals) -> None:
        for pid in own_processes.find(self.stack.home.path, f"chat-{self.color}-0"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


@pytest.fixture(scope="module")
def official(stack: StackDriver, vllm_python: str) -> OfficialClient:
    """The official client of OpenAI's API, unchanged."""
    return OfficialClient(vllm_python, stack)
