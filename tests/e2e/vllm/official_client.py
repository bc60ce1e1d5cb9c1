"""Asks an engine or router with the official `openai` client, unchanged. Run it with the interpreter of scripts/setup-vllm.

`official_client.py BASE_URL MODEL right COUNT` prints the answers that were right, half of them streamed;
`official_client.py BASE_URL MODEL stream TOKENS` prints "started" after the first token and then how the stream ended. One JSON a line.
OFFICIAL_CLIENT_HEADERS holds further headers as JSON; one of them can be a secret, so they are not in argv.
"""

import json
import os
import random
import sys

from openai import OpenAI


def count_right(client: OpenAI, model: str, count: int) -> None:
    """Sort `count` random numbers, every second one streamed."""
    rng, right, wrong = random.Random(7), 0, []
    for number in range(count):
        digits = "".join(rng.choices("0123456789", k=5))
        request = {"model": model, "messages": [{"role": "user", "content": f"sort {digits}"}], "temperature": 0, "max_tokens": 16}
        if number % 2:
            chunks = client.chat.completions.create(stream=True, **request)
            answer = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        else:
            answer = client.chat.completions.create(**request).choices[0].message.content
        if answer == "".join(sorted(digits)):
            right += 1
        else:
            wrong.append([digits, answer])
    print(json.dumps({"asked": count, "right": right, "wrong": wrong}), flush=True)


def stream(client: OpenAI, model: str, tokens: int) -> None:
    """One stream of exactly `tokens` tokens: `ignore_eos` makes vLLM go on after the answer."""
    chunks = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "sort 52413"}], temperature=0, max_tokens=tokens, stream=True,
        stream_options={"include_usage": True}, extra_body={"ignore_eos": True},
    )  # fmt: skip
    reason, received, started = None, 0, False
    for chunk in chunks:
        if not started:
            print(json.dumps("started"), flush=True)
            started = True
        if chunk.choices and chunk.choices[0].finish_reason:
            reason = chunk.choices[0].finish_reason
        if chunk.usage:
            received = chunk.usage.completion_tokens
    print(json.dumps({"finish_reason": reason, "tokens": received}), flush=True)


if __name__ == "__main__":
    base_url, model_name, what, number = sys.argv[1:]
    headers = json.loads(os.environ.get("OFFICIAL_CLIENT_HEADERS", "{}"))
    official = OpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=600, default_headers=headers)
    {"right": count_right, "stream": stream}[what](official, model_name, int(number))
