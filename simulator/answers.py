"""What the simulated model says: a rule from prompt to tokens, one token a character (a word for `count`). Pure."""

from __future__ import annotations

import hashlib
import re

_PADDING = "."


def tokens_of_answer(task: str, *, seed: int, wrong_rate: float, at_least_tokens: int = 0) -> list[str]:
    """The answer to the last line of `task` as tokens; it depends on nothing else than the arguments.

    `sort 52413` -> its digits in order; `count 3` -> 1 2 3; anything else is echoed and padded to `at_least_tokens`.
    """
    line = task.strip().rpartition("\n")[2].strip()
    wrong = is_wrong(task, seed, wrong_rate)
    if match := re.fullmatch(r"sort (\d+)", line):
        right = "".join(sorted(match.group(1)))
        return list(_mistaken(right) if wrong else right)
    if match := re.fullmatch(r"count (\d{1,5})", line):
        numbers = range(1, int(match.group(1)) + 1)
        return [f"{' ' if number > 1 else ''}{number + wrong}" for number in numbers]
    said = list(f"not {line}" if wrong else f"You said: {line}")
    return said + [_PADDING] * (at_least_tokens - len(said))


def is_wrong(task: str, seed: int, rate: float) -> bool:
    """Whether this prompt is among the `rate` that are answered wrongly; the same prompts always, more of them at a higher rate."""
    digest = hashlib.sha256(f"{seed}\n{task}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < rate * 2**64


def limited(tokens: list[str], max_tokens: int, ignore_eos: bool) -> tuple[list[str], str]:
    """The tokens that are generated and the finish reason.

    As in vLLM the end-of-sequence token counts as one (without text): `stop` needs room for it, else the reason is `length`.
    """
    if ignore_eos:
        return (tokens + [_PADDING] * (max_tokens - len(tokens)))[:max_tokens], "length"
    if len(tokens) >= max_tokens:
        return tokens[:max_tokens], "length"
    return [*tokens, ""], "stop"


def _mistaken(right: str) -> str:
    """Digits of the same number that are not in order, or not the same digits where every order is right."""
    turned = right[1:] + right[:1]
    return turned if turned != right else right[:-1] + str((int(right[-1]) + 1) % 10)
