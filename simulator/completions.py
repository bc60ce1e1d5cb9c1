"""The handlers of /v1/completions and /v1/chat/completions, plain and streamed, with the faults that show on the wire."""

from __future__ import annotations

import asyncio
import json
import socket
import struct

from aiohttp import web

from simulator.engine import Engine
from simulator.protocol import DONE, Asked, BadRequest, Writer, error_json, read_request

ENGINE = web.AppKey("engine", Engine)
# Lets what was written reach the reader before the reset overtakes it.
_BEFORE_RESET_SECONDS = 0.01


async def complete(request: web.Request) -> web.StreamResponse:
    """/v1/completions."""
    return await _answer(request, chat=False)


async def complete_chat(request: web.Request) -> web.StreamResponse:
    """/v1/chat/completions."""
    return await _answer(request, chat=True)


async def _answer(request: web.Request, *, chat: bool) -> web.StreamResponse:
    engine = request.app[ENGINE]
    engine.crash_if_due()
    try:
        body = await request.json()
        asked = read_request(body, chat=chat, served=engine.served_model_names, max_model_len_tokens=engine.options.max_model_len_tokens)
    except json.JSONDecodeError as error:
        return web.json_response(error_json(f"the body is no JSON: {error}", "BadRequestError", 400), status=400)
    except BadRequest as error:
        return web.json_response(error_json(str(error), error.kind, error.status, error.param), status=error.status)
    if engine.faults.error_rate > 0 and engine.chance.random() < engine.faults.error_rate:
        return web.json_response(error_json("simulated fault: error_rate", "InternalServerError", 500), status=500)
    return await (_stream(request, engine, asked) if asked.stream else _whole(engine, asked))


async def _whole(engine: Engine, asked: Asked) -> web.StreamResponse:
    text = ""
    async with engine.run(asked.prompt) as run:
        await run.prefill()
        while run.finish_reason is None:
            text += await run.step(len(run.tokens))
    return web.json_response(Writer(asked).whole(text, run.finish_reason, run.generated_tokens))


async def _stream(request: web.Request, engine: Engine, asked: Asked) -> web.StreamResponse:
    writer = Writer(asked)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"})
    async with engine.run(asked.prompt) as run:
        cut = engine.faults.cut_rate > 0 and engine.chance.random() < engine.faults.cut_rate
        await run.prefill()
        await response.prepare(request)
        opening = writer.first_chunk()
        if run.finish_reason == "abort":
            await response.write(opening + writer.chunk("", "abort"))
        while run.finish_reason is None:
            text = await run.step()
            await response.write(opening + writer.chunk(text, run.finish_reason))
            opening = b""
            if cut and run.generated_tokens * 2 >= len(run.tokens):
                await _reset(request)
                run.finish_reason = "error"
                return response
    await response.write(writer.usage_chunk(run.generated_tokens) + DONE)
    await response.write_eof()
    return response


async def _reset(request: web.Request) -> None:
    """Reset the connection: with linger 0, close sends RST and not FIN."""
    await asyncio.sleep(_BEFORE_RESET_SECONDS)
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
