"""The one supervisord of a stack: start it, see whether it lives, shut it down. Its programs are probes/programs.py's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator

from delivery.refusal import Refusal
from probes import own_processes
from probes.atomic_file import write_atomically
from probes.stack_home import StackHome
from probes.supervisor_conf import daemon_conf
from probes.supervisor_rpc import SupervisorUnreachable, call

# Seconds for the daemon to answer its first call, on a machine that is busy with loading models.
_START_SECONDS = 60.0
_ORPHAN_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.05
# The mark of the daemon itself, where its programs carry their own names.
_DAEMON = "supervisord"


def running(home: StackHome) -> bool:
    """Whether the stack's supervisord lives, answers, and is not shutting down."""
    try:
        return bool(call(home, "getState")["statename"] == "RUNNING")
    except (SupervisorUnreachable, xmlrpc.client.Fault):
        return False


def daemon_pid(home: StackHome) -> int | None:
    """The pid of the stack's living supervisord, answering or not; None when there is none. A reused pid is not mistaken for it."""
    candidates = [pid for pid, name in own_processes.find(home.path).items() if name == _DAEMON]
    with contextlib.suppress(OSError, ValueError):
        candidates.insert(0, int(home.supervisor_pid.read_text()))
    for pid in candidates:
        arguments = own_processes.command_line(pid)
        if str(home.supervisor_conf) in arguments and "supervisor.supervisord" in arguments:
            return pid
    return None


def orphans(home: StackHome) -> tuple[str, ...]:
    """The programs that a dead supervisord left running and `start` would end. None while one lives, answering or not."""
    if running(home) or not home.supervisor_conf.is_file() or daemon_pid(home) is not None:
        return ()
    return tuple(sorted(set(own_processes.find(home.path).values())))


@contextlib.contextmanager
def changing(home: StackHome) -> Iterator[None]:
    """Held while a daemon is started or programs are added or removed: one at a time, over threads and processes."""
    home.path.mkdir(parents=True, exist_ok=True)
    with home.supervisor_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start(home: StackHome, say: Callable[[str], None] = lambda _line: None) -> None:
    """Start the daemon unless it lives; it outlives this process. Programs that a killed daemon left behind are ended first: they can't be
    adopted, and their ports and GPUs are needed.

    Raises Refusal when a daemon lives but does not answer, or when it can't be started.
    """
    with changing(home):
        deadline = time.monotonic() + _START_SECONDS
        while not running(home):
            if daemon_pid(home) is None:
                _recover(home, say)
                _spawn(home)
            _refuse_late(home, deadline)
            time.sleep(_POLL_SECONDS)


def shutdown(home: StackHome, deadline_seconds: float, say: Callable[[str], None] = lambda _line: None) -> None:
    """End all programs, each with its time to drain, and the daemon. A daemon that does not answer, or is not done within
    `deadline_seconds`, is killed with everything it started. Nothing of the stack runs afterwards; logs stay.
    """
    with contextlib.suppress(SupervisorUnreachable, xmlrpc.client.Fault):
        call(home, "shutdown")
        deadline = time.monotonic() + deadline_seconds
        while daemon_pid(home) is not None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    pid = daemon_pid(home)
    if pid is not None:
        say(f"supervisord (pid {pid}) did not end by itself, killing it")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    own_processes.end(home.path, None, _ORPHAN_GRACE_SECONDS)
    for file in (home.supervisor_socket, home.supervisor_pid, home.supervisor_conf):
        file.unlink(missing_ok=True)
    for folder in (home.programs, home.secrets):
        with contextlib.suppress(OSError):  # what is not empty belongs to someone
            folder.rmdir()


def _recover(home: StackHome, say: Callable[[str], None]) -> None:
    """Make the home ready for a new daemon."""
    orphans = own_processes.end(home.path, None, _ORPHAN_GRACE_SECONDS)
    if orphans:
        say(f"supervisord had died; ended what it left running: {', '.join(sorted(set(orphans.values())))}")
    for folder in (home.programs, home.logs, home.secrets):
        folder.mkdir(mode=0o700, exist_ok=True)
    write_atomically(home.supervisor_conf, daemon_conf(home))
    home.supervisor_socket.unlink(missing_ok=True)
    home.supervisor_pid.unlink(missing_ok=True)


def _spawn(home: StackHome) -> None:
    """supervisord daemonizes itself: it gets a session of its own, so neither ^C nor the end of the `up` reaches it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    environment[own_processes.MARK] = own_processes.mark(home.path, _DAEMON)
    start_log = home.logs / "supervisord-start.log"
    with start_log.open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(home.supervisor_conf)],
            cwd=home.path, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, check=False,
            timeout=_START_SECONDS,
        )  # fmt: skip
    if done.returncode != 0:
        raise Refusal(
            str(home.supervisor_conf),
            f"supervisord ending with {done.returncode}: {start_log.read_text().strip()[-500:]}",
            "a running supervisord",
            "it keeps engines and router alive",
            f"see {home.log('supervisord')}",
        )


def _refuse_late(home: StackHome, deadline: float) -> None:
    if time.monotonic() > deadline:
        who = f"a supervisord (pid {daemon_pid(home)}) that does not answer"
        advice = f"look into {home.log('supervisord')}; `kill -9` of that pid and another `up` start everything anew"
        raise Refusal(str(home.path), who, "one that does", "it keeps engines and router alive", advice)
