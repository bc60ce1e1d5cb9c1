"""The HTTP server of one simulated engine: routes, the API key, start, and what SIGTERM does to requests in flight."""

from __future__ import annotations

import asyncio
import hmac
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from simulator.completions import ENGINE, complete, complete_chat
from simulator.endpoints import Endpoints
from simulator.engine import Engine
from simulator.options import Options, WhileStopping
from simulator.protocol import error_json

_LARGEST_BODY_BYTES = 16 * 1024 * 1024
# After an abort, answers only have to be written.
_LAST_WRITES_SECONDS = 5.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """One engine's server. `run` returns the exit status of the process."""

    def __init__(self, options: Options, started_at: float) -> None:
        self._options = options
        self._started_at = started_at
        self._engine = Engine(options, started_at)
        self._stopping = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> int:
        """Start, serve until SIGTERM or SIGINT, let requests end, and stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        if await _happens_within(self._stopping, self._options.startup_seconds):
            return 0
        # A handler is cancelled when its client leaves, as vLLM aborts requests that nobody waits for.
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=self._options.keep_alive_seconds,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        site = web.TCPSite(runner, self._options.host, self._options.port, backlog=2048)
        try:
            await site.start()
        except OSError as error:
            print(f"simulator: port: got {self._options.port}, need a free port because {error.strerror}; choose another", file=sys.stderr)
            await runner.cleanup()
            return 1
        print(f"simulator: serves {', '.join(self._options.served_model_names)} on {site.name}", file=sys.stderr, flush=True)
        await self._stopping.wait()
        await self._let_requests_end(site)
        await runner.cleanup()
        return 0

    def _stop(self) -> None:
        self._stopping.set()
        self._engine.stopping = True

    async def _let_requests_end(self, site: web.TCPSite) -> None:
        if self._options.while_stopping is WhileStopping.REFUSE:
            await site.stop()
        await _happens_within(self._idle, self._options.shutdown_timeout_seconds)
        self._engine.abort()
        await _happens_within(self._idle, _LAST_WRITES_SECONDS)

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._door], client_max_size=_LARGEST_BODY_BYTES)
        application[ENGINE] = self._engine
        application.router.add_post("/v1/completions", complete)
        application.router.add_post("/v1/chat/completions", complete_chat)
        Endpoints(self._engine, self._options, self._started_at).add_to(application.router)
        return application

    @web.middleware
    async def _door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/v1") and not self._has_key(request):
            # vLLM's own form, which isn't OpenAI's.
            return web.json_response({"error": "Unauthorized"}, status=401)
        refuses = self._stopping.is_set() and self._options.while_stopping is WhileStopping.REFUSE
        if refuses and request.path != "/metrics":
            response = web.json_response(error_json("the engine is shutting down", "ServiceUnavailable", 503), status=503)
            response.force_close()
            return response
        return await self._counted(request, handler)

    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._in_flight += 1
        self._idle.clear()
        try:
            return await handler(request)
        finally:
            self._in_flight -= 1
            if self._in_flight == 0:
                self._idle.set()

    def _has_key(self, request: web.Request) -> bool:
        if not self._options.api_key:
            return True
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(key.encode(), self._options.api_key.encode())


async def _happens_within(event: asyncio.Event, seconds: float) -> bool:
    if event.is_set() or seconds <= 0:
        return event.is_set()
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def serve(options: Options) -> int:
    """Run one engine in this process; returns its exit status."""
    # Linux gives process start times in hundredths of a second; more digits would be noise.
    started_at = round(time.time(), 2)
    if options.exit_at_start:
        print("simulator: told not to start (--exit-at-start)", file=sys.stderr)
        return 1

    async def main() -> int:
        return await Server(options, started_at).run()

    return asyncio.run(main())
