"""The programs under a stack's supervisord: add, look at, stop and remove one. Nothing here decides whether one may be stopped now."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import xmlrpc.client
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from delivery.refusal import Refusal
from probes import own_processes
from probes.atomic_file import write_atomically
from probes.stack_home import StackHome
from probes.supervisor import changing
from probes.supervisor_conf import STOP_MARGIN_SECONDS, ProgramSpec, program_conf
from probes.supervisor_rpc import Fault, SupervisorUnreachable, call

_POLL_SECONDS = 0.1
# Seconds beyond the program's own time to drain: supervisord's KILL and a loaded machine.
_STOP_SLACK_SECONDS = 30.0
_LEFTOVER_GRACE_SECONDS = 2.0
_SAY_EVERY_SECONDS = 5.0


class ProcessState(StrEnum):
    """supervisord's states of a program, and `absent` for one that it does not have."""

    ABSENT = "absent"
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    EXITED = "exited"
    FATAL = "fatal"
    UNKNOWN = "unknown"

    @property
    def cared_for(self) -> bool:
        """Runs, or supervisord is about to start it again: there is nothing for an `up` to do."""
        return self in (ProcessState.STARTING, ProcessState.RUNNING, ProcessState.BACKOFF)

    @property
    def died(self) -> bool:
        """Ended although it should run; waiting for it to become ready is in vain for now."""
        return self in (ProcessState.BACKOFF, ProcessState.EXITED, ProcessState.FATAL)


@dataclass(frozen=True)
class ProgramStatus:
    """What supervisord says of a program. `pid` is 0 when no process runs; `started_at`, in whole seconds, is when it last was started."""

    state: ProcessState
    pid: int = 0
    description: str = ""
    started_at: int = 0


def status(home: StackHome, name: str) -> ProgramStatus:
    """Live status. Raises SupervisorUnreachable."""
    try:
        info = call(home, "getProcessInfo", name)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode in (Fault.BAD_NAME, Fault.SHUTDOWN_STATE):
            return ProgramStatus(ProcessState.ABSENT)
        raise
    return ProgramStatus(ProcessState(str(info["statename"]).lower()), int(info["pid"]), str(info["description"]), int(info["start"]))


def files_digest(paths: list[Path]) -> str:
    """Changes when the content of one of the files does; a file that is not there counts as empty."""
    return content_digest([path.read_bytes() if path.is_file() else b"" for path in sorted(paths)]) if paths else ""


def content_digest(contents: Sequence[bytes]) -> str:
    """The digest that files with these contents have."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


def running_digest(home: StackHome, name: str) -> str | None:
    """The digest of the secret files that a program was started with, "" for none of them; None for a program that is not there."""
    try:
        return str(json.loads(home.program_spec(name).read_text(encoding="utf-8"))["files_digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_written(home: StackHome, name: str, spec: ProgramSpec) -> bool:
    """Whether the files of the program say what is wanted. Written only while the program is stopped, so what runs follows them."""
    file = home.program_spec(name)
    try:
        return home.program_conf(name).is_file() and file.read_text(encoding="utf-8") == spec.to_json()
    except OSError:
        return False


def add(
    home: StackHome, name: str, spec: ProgramSpec, stop_seconds: int, stop_signal: str = "TERM", *, logs_requests: bool = False
) -> None:
    """Write the files of a program that is not there yet and let supervisord start it. Raises SupervisorUnreachable, OSError, Refusal."""
    with changing(home):
        home.log(name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(home.program_spec(name), spec.to_json(), 0o600)
        write_conf(home, name, stop_seconds, stop_signal, logs_requests=logs_requests)
        try:
            call(home, "reloadConfig")
            call(home, "addProcessGroup", name)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != Fault.ALREADY_ADDED:
                advice = f"see {home.log('supervisord')}"
                raise Refusal(name, fault.faultString, "a program that supervisord takes", "it runs it", advice) from fault


def write_conf(home: StackHome, name: str, stop_seconds: int, stop_signal: str = "TERM", *, logs_requests: bool = False) -> None:
    """Write supervisord's part alone; it counts from the program's next start, nothing is restarted."""
    write_atomically(home.program_conf(name), program_conf(home, name, stop_seconds, stop_signal, logs_requests=logs_requests), 0o600)


def remove(home: StackHome, name: str, stop_seconds: int, say: Callable[[str], None] = lambda _line: None) -> None:
    """Stop a program (SIGTERM, `stop_seconds` to drain, SIGKILL), end what it left behind, and take it out of supervisord.

    Its files stay (see `forget`). One that is not there is no error. Raises SupervisorUnreachable, and Refusal when it does not end.
    """
    started = said = time.monotonic()
    deadline = started + stop_seconds + STOP_MARGIN_SECONDS + _STOP_SLACK_SECONDS
    while True:
        _ask_to_stop(home, name)
        now = status(home, name)
        if now.state is ProcessState.ABSENT or _taken_out(home, name):
            own_processes.end(home.path, name, _LEFTOVER_GRACE_SECONDS)
            return
        if time.monotonic() > deadline:
            advice = f"end pid {now.pid} by hand and run the `up` again"
            raise Refusal(name, f"state {now.state} after {stop_seconds} s and SIGKILL", "an ended process", "its place is needed", advice)
        if time.monotonic() - said > _SAY_EVERY_SECONDS:
            said = time.monotonic()
            say(f"stopping, {said - started:.0f} s of at most {stop_seconds} s for its requests in flight")
        time.sleep(_POLL_SECONDS)


def forget(home: StackHome, name: str) -> None:
    """Delete the files of a program that was removed; a restarted supervisord does not start it again. Its log stays."""
    with changing(home):
        home.program_conf(name).unlink(missing_ok=True)
        home.program_spec(name).unlink(missing_ok=True)
        with contextlib.suppress(SupervisorUnreachable, xmlrpc.client.Fault):
            call(home, "reloadConfig")


def last_words(home: StackHome, name: str, characters: int = 400) -> str:
    """The end of a program's log on one line, to say why it died."""
    try:
        with home.log(name).open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - characters))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())


def _ask_to_stop(home: StackHome, name: str) -> None:
    with contextlib.suppress(xmlrpc.client.Fault):
        call(home, "stopProcess", name, False)


def _taken_out(home: StackHome, name: str) -> bool:
    with changing(home):
        try:
            call(home, "removeProcessGroup", name)
        except xmlrpc.client.Fault as fault:
            return fault.faultCode == Fault.BAD_NAME
    return True
