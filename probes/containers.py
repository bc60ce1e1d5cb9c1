"""What Docker says of a stack's containers, asked by the docker command. Where there is none, or no answer, nothing is known."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

CALL_SECONDS = 10.0
LAST_LINES = 3


@dataclass(frozen=True)
class ContainerState:
    """`status` as Docker words it (running, restarting, exited, …); `restarts` is how often Docker started it again after it ended."""

    status: str
    restarts: int
    exit_code: int


def container_name(stack: str, part: str) -> str:
    """The name of a container of a stack: an engine's name, or `router`."""
    return f"verdigris-{stack}-{part}"


def container_state(host: str, name: str) -> ContainerState | None:
    """None where Docker doesn't answer or has no such container."""
    text = _docker(host, "inspect", "--type", "container", "--format", "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}", name)
    words = (text or "").split()
    return ContainerState(words[0], int(words[1]), int(words[2])) if len(words) == 3 else None


def last_words(host: str, name: str) -> str:
    """The end of its log, on one line."""
    text = _docker(host, "logs", "--tail", str(LAST_LINES), name, errors=True) or ""
    return " | ".join(line.strip() for line in text.splitlines() if line.strip()) or "it said nothing"


def _docker(host: str, *arguments: str, errors: bool = False) -> str | None:
    command = ["docker", *(["--host", host] if host else []), *arguments]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if errors else subprocess.DEVNULL, text=True, errors="replace",
            timeout=CALL_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
