"""A real supervisord and real programs: what survives, what is restarted, what is refused, what is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pulumi.output import Unknown

from delivery.refusal import Refusal
from probes import own_processes, programs, supervisor
from probes.programs import ProcessState
from probes.stack_home import StackHome
from providers.process import ProcessProvider
from providers.supervisor import SupervisorProvider

DEADLINE_SECONDS = 60.0

# Answers its pid, arguments and a variable; on SIGTERM it finishes what it has begun (up to `sys.argv[2]` seconds) and goes.
SERVER = """
import http.server, json, os, signal, subprocess, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(2)
        if self.path == "/child":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        body = json.dumps({"pid": os.getpid(), "argv": sys.argv, "key": os.environ.get("KEY", ""), "odd": os.environ.get("ODD", ""),
                           "passphrase": os.environ.get("PULUMI_CONFIG_PASSPHRASE", "")}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *arguments): print(*arguments, flush=True)
http.server.ThreadingHTTPServer.daemon_threads = False
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
"""


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, path: str = "/") -> dict[str, object] | None:
    try:
        answer: dict[str, object] = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=30, trust_env=False).json()
    except httpx.HTTPError:
        return None
    return answer


def alive(pid: int) -> bool:
    return bool(own_processes.command_line(pid))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[StackHome]:
    place = StackHome(tmp_path / "dev 100%(x)s # home")
    yield place
    with contextlib.suppress(ProcessLookupError, TypeError):
        os.kill(supervisor.daemon_pid(place), signal.SIGCONT)  # type: ignore[arg-type]
    supervisor.shutdown(place, DEADLINE_SECONDS)
    assert own_processes.find(place.path) == {}


def process(home: StackHome, port: int, **more: object) -> dict[str, object]:
    """Inputs as Pulumi hands them over: numbers are floats."""
    base: dict[str, object] = {
        "home": str(home.path),
        "name": "chat-blue-0",
        "command": [sys.executable, "-c", SERVER, str(port), "100% of 'x' ; # \"y\"", ""],
        "environment": {},
        "environment_files": {},
        "stop_seconds": 30.0,
        "ports": [float(port)],
        "url_ready": f"http://127.0.0.1:{port}/",
        "ready_seconds": DEADLINE_SECONDS,
        "ready_required": True,
        "fingerprint": "r1",
        "drain_url": "",
    }
    return {**base, **more}


def test_a_program_gets_its_arguments_and_environment_unchanged(home: StackHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "not for engines")
    port, odd = free_port(), '{"a": \'b\', "c": "100%"} ; # x'
    ProcessProvider().create(process(home, port, environment={"ODD": odd}))
    answer = ask(port)
    assert answer is not None
    assert answer["argv"] == ["-c", str(port), "100% of 'x' ; # \"y\"", ""]
    assert answer["odd"] == odd
    assert answer["passphrase"] == ""


def test_nothing_changes_when_nothing_is_different(home: StackHome) -> None:
    provider, port = ProcessProvider(), free_port()
    wanted = process(home, port)
    outs = provider.create(wanted).outs
    assert outs is not None
    pid = (ask(port) or {})["pid"]
    assert provider.diff("chat-blue-0", outs, wanted).changes is False
    assert SupervisorProvider().diff("x", {"home": str(home.path)}, {"home": str(home.path)}).changes is False
    provider.update("chat-blue-0", outs, {**wanted, "stop_seconds": 40.0})
    assert (ask(port) or {})["pid"] == pid, "more time to drain is no reason for a restart"
    assert provider.read("chat-blue-0", outs).outs == outs


def test_a_required_program_that_does_not_answer_is_waited_for_and_not_restarted(home: StackHome) -> None:
    provider, port = ProcessProvider(), free_port()
    outs = provider.create(process(home, port)).outs
    assert outs is not None
    pid = int(str((ask(port) or {})["pid"]))
    silent = process(home, port, url_ready=f"http://127.0.0.1:{free_port()}/", ready_seconds=0.5)
    assert provider.diff("chat-blue-0", silent, silent).changes is True
    with pytest.raises(Exception, match=r"no answer on .* within 0 s|no answer on .* within 1 s"):
        provider.update("chat-blue-0", outs, silent)
    assert (ask(port) or {})["pid"] == pid


def test_another_fingerprint_restarts_the_program(home: StackHome) -> None:
    provider, port = ProcessProvider(), free_port()
    outs = provider.create(process(home, port)).outs
    assert outs is not None
    pid = (ask(port) or {})["pid"]
    changed = process(home, port, fingerprint="r2")
    assert provider.diff("chat-blue-0", outs, changed).changes is True
    provider.update("chat-blue-0", outs, changed)
    assert (ask(port) or {})["pid"] != pid


def test_a_killed_program_comes_back_without_an_up_and_its_children_do_not_stay(home: StackHome) -> None:
    port = free_port()
    ProcessProvider().create(process(home, port))
    pid = int(str((ask(port, "/child") or {})["pid"]))
    children = set(own_processes.find(home.path, "chat-blue-0")) - {pid}
    assert children
    os.kill(pid, signal.SIGKILL)
    until(lambda: (ask(port) or {"pid": pid})["pid"] != pid)
    assert not any(alive(child) for child in children)


def test_a_stopped_program_finishes_the_request_in_flight(home: StackHome) -> None:
    provider, port = ProcessProvider(), free_port()
    outs = provider.create(process(home, port)).outs
    assert outs is not None
    slow = subprocess.Popen(
        [sys.executable, "-c", f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/slow').status)"],
        stdout=subprocess.PIPE,
    )
    until(lambda: "/slow" in home.log("chat-blue-0").read_text() or _connected(port))
    provider.delete("chat-blue-0", outs)
    output, _ = slow.communicate(timeout=DEADLINE_SECONDS)
    assert output.strip() == b"200"
    assert programs.status(home, "chat-blue-0").state is ProcessState.ABSENT
    assert list(home.programs.iterdir()) == []


def _connected(port: int) -> bool:
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(wanted) and line.split()[3] == "01" for line in lines)


def test_after_a_killed_daemon_its_programs_are_replaced_and_only_they_end(home: StackHome) -> None:
    provider, port = ProcessProvider(), free_port()
    outs = provider.create(process(home, port)).outs
    assert outs is not None
    orphan = int(str((ask(port) or {})["pid"]))
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={"HOME": str(home.path)})
    daemon = supervisor.daemon_pid(home)
    assert daemon is not None
    assert supervisor.orphans(home) == ()
    os.kill(daemon, signal.SIGKILL)
    until(lambda: not alive(daemon))
    try:
        assert alive(orphan)
        assert supervisor.orphans(home) == ("chat-blue-0",)
        here = {"home": str(home.path)}
        assert SupervisorProvider().diff("x", here, here).changes is True
        assert provider.diff("chat-blue-0", outs, process(home, port)).changes is True
        SupervisorProvider().update("x", here, here)
        assert not alive(orphan)
        assert stranger.poll() is None
        until(lambda: ask(port))
        assert provider.diff("chat-blue-0", outs, process(home, port)).changes is False
    finally:
        stranger.kill()
        stranger.wait()


def test_there_is_never_a_second_supervisord(home: StackHome) -> None:
    supervisor.start(home)
    daemon = supervisor.daemon_pid(home)
    supervisor.start(home)
    home.supervisor_pid.unlink()
    supervisor.start(home)
    assert supervisor.daemon_pid(home) == daemon
    assert set(own_processes.find(home.path)) == {daemon}


def test_a_hung_supervisord_is_reported_and_not_doubled(home: StackHome, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor.start(home)
    daemon = supervisor.daemon_pid(home)
    assert daemon is not None
    monkeypatch.setattr(supervisor, "_START_SECONDS", 1.0)
    os.kill(daemon, signal.SIGSTOP)
    with pytest.raises(Refusal, match=f"pid {daemon}"):
        supervisor.start(home)
    os.kill(daemon, signal.SIGCONT)
    assert supervisor.daemon_pid(home) == daemon


def test_a_taken_port_is_refused_and_nothing_is_written_or_stays(home: StackHome) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        wanted = process(home, port)
        [failure] = ProcessProvider().check({}, wanted).failures
        assert f"port {port} taken by pid {os.getpid()}" in failure.reason
        nothing = Unknown()  # type: ignore[no-untyped-call]
        assert len(ProcessProvider().check({}, {**wanted, "fingerprint": nothing}).failures) == 1, "a preview finds it too"
        assert not home.path.exists(), "check only reads"
        with pytest.raises(Exception, match=f"port {port} taken by pid {os.getpid()}") as raised:
            ProcessProvider().create(wanted)
        assert type(raised.value).__name__ == "Refused"
        assert list(home.programs.iterdir()) == []


def test_a_broken_program_that_is_required_fails_early_and_leaves_nothing(home: StackHome) -> None:
    started = time.monotonic()
    broken = process(home, free_port(), command=[sys.executable, "-c", "raise SystemExit('no such model')"], ready_seconds=3600.0)
    with pytest.raises(Exception, match="no such model"):
        ProcessProvider().create(broken)
    assert time.monotonic() - started < 600
    assert list(home.programs.iterdir()) == []
    assert programs.status(home, "chat-blue-0").state is ProcessState.ABSENT


def test_a_broken_program_that_is_not_required_blocks_nothing(home: StackHome, capsys: pytest.CaptureFixture[str]) -> None:
    provider = ProcessProvider()
    broken = process(home, free_port(), command=["/no/such/engine"], ready_seconds=3600.0, ready_required=False)
    outs = provider.create(broken).outs
    assert outs is not None
    assert "chat-blue-0: warning" in capsys.readouterr().out
    assert provider.diff("chat-blue-0", outs, broken).changes is False, "supervisord keeps trying; an `up` has nothing to add"
    provider.delete("chat-blue-0", outs)


def test_a_secret_reaches_the_program_and_neither_arguments_nor_other_files(home: StackHome, tmp_path: Path) -> None:
    provider, port, key = ProcessProvider(), free_port(), "s3cret-of-the-engines"
    file = tmp_path / "key"
    file.write_text(key)
    wanted = process(home, port, environment_files={"KEY": str(file)})
    outs = provider.create(wanted).outs
    assert outs is not None
    answer = ask(port)
    assert answer is not None
    assert answer["key"] == key
    assert key not in str(outs)
    assert not any(key in " ".join(own_processes.command_line(pid)) for pid in own_processes.find(home.path))
    assert not any(key.encode() in each.read_bytes() for each in home.path.rglob("*") if each.is_file())
    assert stat.S_IMODE(home.program_spec("chat-blue-0").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.supervisor_socket.stat().st_mode) == 0o600
    file.write_text("another")
    assert provider.diff("chat-blue-0", outs, wanted).changes is True, "a changed secret needs a restart"


def test_deleting_the_supervisor_ends_every_program(home: StackHome) -> None:
    port = free_port()
    ProcessProvider().create(process(home, port))
    pid = int(str((ask(port) or {})["pid"]))
    SupervisorProvider().delete("x", {"home": str(home.path)})
    assert not alive(pid)
    assert supervisor.daemon_pid(home) is None
    assert SupervisorProvider().read("x", {"home": str(home.path)}).id == ""
