"""vLLM's JSON: what a completion request may hold, and the shapes of answers, chunks and errors (as vLLM 0.32 writes them). Pure."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.engine import Prompt

_DEFAULT_COMPLETION_TOKENS = 16  # OpenAI's default for /v1/completions; a chat may use the rest of the context


class BadRequest(Exception):
    """A request that vLLM refuses; becomes an error of this status in OpenAI's form."""

    def __init__(self, message: str, status: int = 400, kind: str = "BadRequestError", param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.param = param


@dataclass(frozen=True)
class Asked:
    """A completion request, read and checked."""

    prompt: Prompt
    model: str
    chat: bool
    stream: bool
    include_usage: bool


def read_request(body: Any, *, chat: bool, served: tuple[str, ...], max_model_len_tokens: int) -> Asked:
    """Check the JSON of a completion request. Raises BadRequest."""
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    model = body.get("model") or served[0]
    if model not in served:
        raise BadRequest(f"The model `{model}` does not exist.", 404, "NotFoundError", "model")
    if body.get("n", 1) != 1:
        raise BadRequest("the simulator gives one choice: n must be 1", param="n")
    text, task = _chat_text(body) if chat else _completion_text(body)
    room = max_model_len_tokens - len(text)
    if room < 1:
        raise BadRequest(
            f"This model's maximum context length is {max_model_len_tokens} tokens. However, your prompt contains {len(text)} "
            "input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.",
            param="input_tokens",
        )
    wanted = body.get("max_completion_tokens") or body.get("max_tokens") or (room if chat else _DEFAULT_COMPLETION_TOKENS)
    if not isinstance(wanted, int) or wanted < 1:
        raise BadRequest(f"max_tokens must be at least 1, got {wanted}.", param="max_tokens")
    options = body.get("stream_options") or {}
    return Asked(
        prompt=Prompt(text=text, task=task, max_tokens=min(wanted, room), ignore_eos=bool(body.get("ignore_eos"))),
        model=model,
        chat=chat,
        stream=bool(body.get("stream")),
        include_usage=bool(isinstance(options, dict) and options.get("include_usage")),
    )


def _chat_text(body: Mapping[str, Any]) -> tuple[str, str]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise BadRequest("messages must be a list of at least one message", param="messages")
    contents = [(str(message.get("role", "")), _content(message.get("content"))) for message in messages]
    of_users = [content for role, content in contents if role == "user"]
    return "\n".join(content for _, content in contents), (of_users or [contents[-1][1]])[-1]


def _content(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _completion_text(body: Mapping[str, Any]) -> tuple[str, str]:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise BadRequest("the simulator takes one prompt, as text", param="prompt")
    return prompt, prompt


def error_json(message: str, kind: str, status: int, param: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}


def usage_json(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """The usage block."""
    return {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
        "prompt_tokens_details": None,
    }


def models_json(served: tuple[str, ...], root: str, created: int, max_model_len_tokens: int) -> dict[str, Any]:
    """The answer of /v1/models."""
    cards = [
        {
            "id": name,
            "object": "model",
            "created": created,
            "owned_by": "vllm",
            "root": root,
            "parent": None,
            "max_model_len": max_model_len_tokens,
        }
        for name in served
    ]
    return {"object": "list", "data": cards}


class Writer:
    """Writes the answer to one request, whole or as chunks of a stream."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._head = {
            "id": f"{'chatcmpl' if asked.chat else 'cmpl'}-{uuid.uuid4().hex}",
            "object": ("chat.completion" if asked.chat else "text_completion") + (".chunk" if asked.chat and asked.stream else ""),
            "created": int(time.time()),
            "model": asked.model,
        }

    def whole(self, text: str, finish_reason: str | None, generated_tokens: int) -> dict[str, Any]:
        """The answer of a request that isn't streamed."""
        choice: dict[str, Any] = {"index": 0}
        if self._asked.chat:
            choice["message"] = {"role": "assistant", "content": text, "refusal": None, "function_call": None, "reasoning": None}
        else:
            choice["text"] = text
        choice |= {"logprobs": None, "finish_reason": finish_reason, "stop_reason": None}
        return self._head | {"choices": [choice], "usage": usage_json(len(self._asked.prompt.text), generated_tokens)}

    def first_chunk(self) -> bytes:
        """What opens the stream of a chat: the role; nothing for a plain completion."""
        return self._event({"delta": {"role": "assistant", "content": ""}}, None) if self._asked.chat else b""

    def chunk(self, text: str, finish_reason: str | None) -> bytes:
        """One token."""
        return self._event({"delta": {"content": text}} if self._asked.chat else {"text": text}, finish_reason)

    def usage_chunk(self, generated_tokens: int) -> bytes:
        """The chunk without choices that `include_usage` asks for; nothing otherwise."""
        if not self._asked.include_usage:
            return b""
        return _sse(self._head | {"choices": [], "usage": usage_json(len(self._asked.prompt.text), generated_tokens)})

    def _event(self, said: dict[str, Any], finish_reason: str | None) -> bytes:
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish_reason}
        if finish_reason is not None:
            choice["stop_reason"] = None
        return _sse(self._head | {"choices": [choice]})


DONE = b"data: [DONE]\n\n"


def _sse(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"
