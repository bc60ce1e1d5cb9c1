"""What an engine answers beside completions: health, models, metrics, sleep mode, and the switchboard of faults."""

from __future__ import annotations

import asyncio

from aiohttp import web

from simulator.engine import Engine
from simulator.options import Options
from simulator.protocol import error_json, models_json


class Endpoints:
    """The handlers of one engine. /health is 200 whatever the faults: a hung vLLM is healthy too."""

    def __init__(self, engine: Engine, options: Options, started_at: float) -> None:
        self._engine = engine
        self._options = options
        self._started_at = started_at

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes; those of sleep mode exist only in vLLM's development mode."""
        router.add_get("/health", self._health)
        router.add_get("/version", self._version)
        router.add_get("/metrics", self._metrics)
        router.add_get("/v1/models", self._models)
        router.add_get("/simulator/faults", self._faults)
        router.add_post("/simulator/faults", self._change_faults)
        router.add_delete("/simulator/faults", self._clear_faults)
        if self._options.dev_mode:
            router.add_post("/sleep", self._sleep)
            router.add_post("/wake_up", self._wake_up)
            router.add_get("/is_sleeping", self._is_sleeping)

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "0.32.0+simulator"})

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=self._engine.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _models(self, request: web.Request) -> web.Response:
        served = self._engine.served_model_names
        return web.json_response(models_json(served, self._options.model, int(self._started_at), self._options.max_model_len_tokens))

    async def _faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._engine.faults.as_json())

    async def _change_faults(self, request: web.Request) -> web.Response:
        try:
            changes = await request.json()
            if not isinstance(changes, dict):
                raise ValueError("the body: need a JSON object of faults")
            self._engine.change_faults(changes)
        except ValueError as error:  # JSONDecodeError is one
            return web.json_response(error_json(str(error), "BadRequestError", 400), status=400)
        return await self._faults(request)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._engine.change_faults(None)
        return await self._faults(request)

    async def _sleep(self, request: web.Request) -> web.Response:
        level = request.query.get("level", "1")
        if level not in ("0", "1", "2"):
            return web.json_response(error_json(f"level: got {level}, need 0, 1 or 2", "BadRequestError", 400), status=400)
        self._engine.sleep()
        return web.json_response({"status": "sleeping", "level": int(level)})

    async def _wake_up(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self._options.wake_seconds)
        self._engine.wake_up()
        return web.json_response({"status": "awake", "tags": None})

    async def _is_sleeping(self, request: web.Request) -> web.Response:
        return web.json_response({"is_sleeping": self._engine.asleep})
