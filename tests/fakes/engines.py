"""Simulated engines as processes, for tests: started, waited for, killed, restarted, and given faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).resolve().parents[2]
# Starting takes under a second; the rest is for machines with more work than cores.
DEADLINE_SECONDS = 30.0


def port_of_this_worker(port: int) -> int:
    """A port for this worker of pytest-xdist: two workers may run tests of one file at once. 40 ports are kept for each of two."""
    return port + 40 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2)


class SimulatorProcess:
    """One `python -m simulator`; a context manager that ends it. `log` is where its output goes."""

    def __init__(self, port: int, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._arguments = arguments
        self._environment = dict(os.environ) | {"VLLM_SERVER_DEV_MODE": "1"} | dict(environment)
        descriptor, name = tempfile.mkstemp(prefix=f"simulator-{port}-", suffix=".log")
        os.close(descriptor)
        self.log = Path(name)
        self.process = self._spawn()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process and drop its output."""
        self.kill()
        self.log.unlink(missing_ok=True)

    def wait_until_healthy(self) -> Self:
        """Wait for /health. Raises RuntimeError with the engine's output when it ended, TimeoutError past 30 s."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the simulator on port {self.port} ended with {self.process.returncode}: {self.log.read_text()}")
            try:
                if self.get("/health")[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        raise TimeoutError(f"the simulator on port {self.port} isn't healthy after {DEADLINE_SECONDS} s: {self.log.read_text()}")

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def terminate(self) -> None:
        """SIGTERM, without waiting: requests in flight get `--shutdown-timeout`."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """The exit status, once the process has ended by itself."""
        return self.process.wait(DEADLINE_SECONDS)

    def restart(self) -> Self:
        """Kill the process and start one like it on the same port: a new identity, cold caches, the faults of its flags."""
        self.kill()
        self.process = self._spawn()
        return self.wait_until_healthy()

    def faults(self, **changes: object) -> dict[str, Any]:
        """Switch faults while it runs; returns all faults. Names are those of `simulator.faults.Faults`."""
        status, body = self.send("POST", "/simulator/faults", changes)
        if status != 200:
            raise ValueError(body)
        return dict(json.loads(body))

    def clear_faults(self) -> None:
        """No faults, not even those of the flags."""
        self.send("DELETE", "/simulator/faults")

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and body of a GET. Raises OSError when nobody answers."""
        return self.send("GET", path, headers=headers)

    def chat(self, content: str, **fields: object) -> dict[str, Any]:
        """The JSON that a plain chat completion answers. `model` is the one that the engine says it serves unless given."""
        body = {"model": self.model(), "messages": [{"role": "user", "content": content}]} | fields
        return dict(json.loads(self.send("POST", "/v1/chat/completions", body)[1]))

    def model(self) -> str:
        """The model name that the engine says it serves."""
        return str(json.loads(self.get("/v1/models")[1])["data"][0]["id"])

    def metric(self, name: str) -> float:
        """The sum of the samples of this name in /metrics."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> tuple[int, str]:
        """Status and body of a request; errors of HTTP are answers here. Raises OSError when nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=dict(headers or {}))
        key = self._environment.get("VLLM_API_KEY")
        if key and not request.has_header("Authorization"):
            request.add_header("Authorization", f"Bearer {key}")
        try:
            with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "simulator", "--host", "127.0.0.1", "--port", str(self.port), *self._arguments]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=_ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def start_simulator(
    port: int, *, model: str = "toy", env: Mapping[str, str] | None = None, wait: bool = True, **flags: object
) -> SimulatorProcess:
    """Start a simulated engine and wait until it is healthy (unless `wait` is False).

    Flags are those of `python -m simulator` with underscores (`token_ms=5`, `hang=True`). Sleep mode's endpoints are on
    (VLLM_SERVER_DEV_MODE=1) unless `env` says otherwise. Raises RuntimeError when the engine ends, TimeoutError past 30 s.
    """
    arguments = ["--served-model-name", model]
    for name, value in flags.items():
        if value is False or value is None:
            continue
        arguments.append("--" + name.replace("_", "-"))
        if value is not True:
            arguments.append(str(value))
    process = SimulatorProcess(port, arguments, env or {})
    if not wait:
        return process
    try:
        return process.wait_until_healthy()
    except BaseException:
        process.close()
        raise
