"""The smallest engine that a router can be tested with: it says who it is and which headers reached it. Run it as a module."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal

from aiohttp import web


class TinyEngine:
    """Answers with its name and counts (`asked`) what it was asked, health apart.

    `busy` makes it answer 503 to completions; `deadly` makes it die with the next completion in its hands.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.busy = False
        self.deadly = False
        self.asked = 0

    async def count(self, _: web.Request) -> web.Response:
        return web.json_response(self.asked)

    async def health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def models(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"object": "list", "engine": self.name, "data": []})

    async def fault(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.busy, self.deadly = bool(body.get("busy")), bool(body.get("deadly"))
        return web.Response()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        body = await request.json()
        if self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.busy:
            return web.json_response({"error": {"message": "busy"}}, status=503)
        if not body.get("stream"):
            await asyncio.sleep(body.get("seconds", 0))
            headers = {name.lower(): value for name, value in request.headers.items()}
            return web.json_response({"engine": self.name, "path": request.path, "headers": headers, "size": len(await request.read())})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        chunks = int(body.get("chunks", 10))
        for number in range(chunks):
            await response.write(f"data: {json.dumps({'engine': self.name, 'number': number})}\n\n".encode())
            await asyncio.sleep(body.get("seconds", 0) / chunks)
        await response.write(b"data: [DONE]\n\n")
        return response


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True)
    options = parser.parse_args()
    engine = TinyEngine(options.name)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_get("/health", engine.health)
    app.router.add_get("/v1/models", engine.models)
    app.router.add_get("/asked", engine.count)
    app.router.add_post("/fault", engine.fault)
    app.router.add_post("/pause", engine.complete)
    for path in ("/v1/completions", "/v1/chat/completions", "/v1/embeddings"):
        app.router.add_post(path, engine.complete)
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, access_log=None, keepalive_timeout=5)


if __name__ == "__main__":
    main()
