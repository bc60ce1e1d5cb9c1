"""One engine by its address: who it is, what it serves, whether it lives, what it is doing, and putting it to sleep.

Every call is short and has its own deadline; a failure is an EngineError that says what was seen. Nothing is retried here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from probes.completions import Completion, EngineError, complete, describe

__all__ = ["Completion", "EngineClient", "EngineError", "EngineState", "alive", "key_headers", "open_http", "probe_pool"]

CALL_SECONDS = 5.0  # for calls that do no inference: they are answered beside it
_START = "process_start_time_seconds"
_IN_FLIGHT = ("vllm:num_requests_running", "vllm:num_requests_waiting")
_PROOF = ({"role": "user", "content": "sort 21"},)  # any prompt will do: what counts is a token


@dataclass(frozen=True)
class EngineState:
    """What a probe saw of one engine: its identity, the models it lists, whether it generated a token, and the problem if not."""

    identity: str | None
    models: tuple[str, ...]
    alive: bool
    problem: str = ""


def open_http(verify: bool = True) -> httpx.AsyncClient:
    """A client for one request at a time: each worker opens its own, because httpx's pool is quadratic in requests that wait.

    Proxies of the environment are ignored: engines and routers are near. `verify` is False for our own router, which is asked by an
    address of this machine that its certificate needn't name; whether the certificate is good is looked at before (probes/tls_files.py).
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(trust_env=False, verify=verify, timeout=None, limits=limits)


def key_headers(key_file: str | os.PathLike[str] | None) -> dict[str, str]:
    """The header with the engines' API key, read now; none without a file. Raises EngineError when the file can't be read."""
    if not key_file:
        return {}
    try:
        key = Path(key_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise EngineError(f"the file with the engines' API key can't be read: {error.strerror}") from None
    return {"authorization": f"Bearer {key}"} if key else {}


class EngineClient:
    """Talks to the engine at `host:port`. Closes its HTTP client on exit, unless it was given one."""

    def __init__(self, address: str, key_file: str | os.PathLike[str] | None = None, http: httpx.AsyncClient | None = None) -> None:
        self.address = address
        self._key_file = key_file
        self._http = http or open_http(verify=False)  # engines speak plain HTTP: certificates would only take time to load
        self._owns_http = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._owns_http:
            await self._http.aclose()

    async def identity(self) -> str:
        """`host:port@start time`: changes whenever another process answers at the address."""
        return f"{self.address}@{self._metric(await self._get('/metrics'), (_START,)):.2f}"

    async def healthy(self) -> bool:
        """Whether /health says 200. It does so even of an engine that hangs: only a token is proof."""
        try:
            return (await self._send("GET", "/health")).status_code == 200
        except EngineError:
            return False

    async def models(self) -> tuple[str, ...]:
        """The model names that it serves."""
        answer = await self._get("/v1/models")
        try:
            return tuple(str(model["id"]) for model in answer.json()["data"])
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"{self.address} answered /v1/models with {answer.text[:160]!r}, which is no list of models") from error

    async def complete(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        max_tokens: int,
        stream: bool = True,
        deadline_seconds: float = 60.0,
        silence_is_an_answer: bool = False,
    ) -> Completion:
        """One whole greedy completion."""
        url = f"http://{self.address}/v1/chat/completions"
        return await complete(
            self._http, self.address, url, model, messages, max_tokens=max_tokens, stream=stream, deadline_seconds=deadline_seconds,
            headers=key_headers(self._key_file), silence_is_an_answer=silence_is_an_answer,
        )  # fmt: skip

    async def running(self) -> int:
        """Requests that it works on or has waiting."""
        return int(self._metric(await self._get("/metrics"), _IN_FLIGHT))

    async def is_sleeping(self) -> bool:
        """Whether it sleeps. An engine without sleep mode (404) doesn't."""
        answer = await self._send("GET", "/is_sleeping")
        if answer.status_code == 404:
            return False
        value = self._ok(answer, "/is_sleeping").json()
        return bool(value.get("is_sleeping")) if isinstance(value, dict) else False

    async def sleep(self, level: int = 1, deadline_seconds: float = 60.0) -> None:
        """Free its GPU memory (vLLM's sleep mode, level 1: weights go to main memory)."""
        self._ok(await self._send("POST", f"/sleep?level={level}", deadline_seconds), "/sleep")

    async def wake_up(self, deadline_seconds: float = 60.0) -> None:
        """Take its GPU memory back."""
        self._ok(await self._send("POST", "/wake_up", deadline_seconds), "/wake_up")

    async def _get(self, path: str) -> httpx.Response:
        return self._ok(await self._send("GET", path), path)

    def _ok(self, answer: httpx.Response, path: str) -> httpx.Response:
        if answer.status_code != 200:
            raise EngineError(f"{self.address} answered {path} with {answer.status_code}")
        return answer

    async def _send(self, method: str, path: str, deadline_seconds: float = CALL_SECONDS) -> httpx.Response:
        headers = key_headers(self._key_file)
        try:
            async with asyncio.timeout(deadline_seconds):
                return await self._http.request(method, f"http://{self.address}{path}", headers=headers)
        except TimeoutError as error:
            raise EngineError(f"{self.address} did not answer {path} within {deadline_seconds:g} s") from error
        except httpx.HTTPError as error:
            raise EngineError(f"{self.address} did not answer {path}: {describe(error)}") from error

    def _metric(self, answer: httpx.Response, names: Sequence[str]) -> float:
        """The sum of the samples with these names. Raises EngineError when one is missing: no data is not zero."""
        found: dict[str, float] = {}
        for line in answer.text.splitlines():
            name = line.split("{", 1)[0].split(" ", 1)[0]
            if name in names:
                try:
                    found[name] = found.get(name, 0.0) + float(line.rpartition(" ")[2])
                except ValueError as error:
                    raise EngineError(f"{self.address} has a metric that is no number: {line[:160]}") from error
        missing = [name for name in names if name not in found]
        if missing:
            raise EngineError(f"{self.address} has no metric {' or '.join(missing)}")
        return sum(found.values())


async def alive(address: str, model: str, deadline_seconds: float, key_file: str | os.PathLike[str] | None = None) -> str | None:
    """None when the engine generates a token in time, else what was seen: /health is 200 while an engine hangs."""
    try:
        async with EngineClient(address, key_file) as engine:
            await engine.complete(model, _PROOF, 1, stream=False, deadline_seconds=deadline_seconds, silence_is_an_answer=True)
    except EngineError as error:
        return str(error)
    return None


def probe_pool(
    engines: Iterable[str], model: str, deadline_seconds: float, key_file: str | os.PathLike[str] | None = None, tokens: bool = True
) -> dict[str, EngineState]:
    """The state of every engine, in parallel, each within the deadline. With `tokens` False none is generated and `alive` means that
    it answered who it is. Never raises for an engine that can't be reached."""

    async def all_of_them() -> list[EngineState]:
        return await asyncio.gather(*(_probe(address, model, deadline_seconds, key_file, tokens) for address in addresses))

    addresses = list(dict.fromkeys(engines))
    return dict(zip(addresses, asyncio.run(all_of_them()), strict=True))


async def _probe(address: str, model: str, deadline_seconds: float, key_file: str | os.PathLike[str] | None, tokens: bool) -> EngineState:
    seen: dict[str, Any] = {"identity": None, "models": ()}
    try:
        async with asyncio.timeout(deadline_seconds), EngineClient(address, key_file) as engine:
            seen["identity"] = await engine.identity()
            seen["models"] = await engine.models()
            if tokens:
                await engine.complete(model, _PROOF, 1, stream=False, deadline_seconds=deadline_seconds, silence_is_an_answer=True)
    except EngineError as error:
        return EngineState(**seen, alive=False, problem=str(error))
    except TimeoutError:
        return EngineState(**seen, alive=False, problem=f"{address} gave no token within {deadline_seconds:g} s")
    return EngineState(**seen, alive=True)
