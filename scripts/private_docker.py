"""A Docker engine of one's own, for the demo and the tests where none is reachable: own socket, own folders, gone without a trace.

Needs root. `with private_docker() as engine: engine.host` is the address for DOCKER_HOST and for `verdigris:docker`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from delivery.refusal import Refusal

START_SECONDS = 60.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.1


def reachable(host: str = "") -> bool:
    """Whether an engine answers at `host` ("": where the docker command looks)."""
    command = ["docker", *(["--host", host] if host else []), "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(command, capture_output=True, timeout=15, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@dataclass(frozen=True)
class PrivateDocker:
    """One dockerd, everything of it under `folder` (a short path: it holds unix sockets)."""

    folder: Path

    @property
    def host(self) -> str:
        """Its address."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def log(self) -> Path:
        """What dockerd says."""
        return self.folder / "dockerd.log"

    def start(self) -> None:
        """Start it and wait until it answers. Containers that a stopped one left running are taken over (live-restore)."""
        binary = shutil.which("dockerd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
        if binary is None:
            raise Refusal("docker", "no dockerd", "one on this machine", "containers run under it", "run scripts/setup --docker")
        command = [
            binary, "--host", self.host, "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec"),
            "--pidfile", str(self.folder / "dockerd.pid"), "--bridge", "none", "--live-restore",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            # A session of its own, so that ^C in a terminal ends the caller and not the engine under its containers.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        ends = time.monotonic() + START_SECONDS
        while not reachable(self.host):
            if process.poll() is not None or time.monotonic() > ends:
                last = (self.log.read_text(errors="replace").strip().splitlines() or ["no word"])[-1]
                self.stop()
                got = f"a dockerd that doesn't answer ({last})"
                raise Refusal("docker", got, "an engine", "containers run under it", f"read {self.log}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End dockerd and its containerd; containers go on. Does nothing when none runs."""
        for name in ("dockerd.pid", "exec/containerd/containerd.pid", "data/containerd/daemon/containerd.pid"):
            _end(self.folder / name, str(self.folder))

    def command(self, *arguments: str, seconds: float = 60) -> str:
        """Run the docker command against it and return what it printed. Raises CalledProcessError."""
        command = ["docker", "--host", self.host, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True).stdout.strip()

    def remove(self) -> None:
        """Remove every container and network of it, end it, and delete its folder."""
        with contextlib.suppress(subprocess.SubprocessError):
            containers = self.command("ps", "--all", "--quiet").split()
            if containers:
                self.command("rm", "--force", "--volumes", *containers)
            self.command("network", "prune", "--force")
        self.stop()
        for place in sorted(_mounts_below(self.folder), reverse=True):
            subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def private_docker() -> Iterator[PrivateDocker]:
    """A running engine that is gone afterwards."""
    engine = PrivateDocker(Path(tempfile.mkdtemp(prefix="vd-docker-", dir="/tmp")))
    try:
        engine.start()
        yield engine
    finally:
        engine.remove()


def engine_of(owner: Path) -> PrivateDocker:
    """The engine of a folder that keeps one across runs. Not below that folder: its sockets need a short path."""
    digest = hashlib.sha256(f"{os.getuid()}:{owner.resolve()}".encode()).hexdigest()[:12]
    return PrivateDocker(Path("/tmp") / f"vd-docker-{digest}")


def provide(owner: Path) -> dict[str, str]:
    """The variables for everyone who uses Docker: none where an engine is reachable, else those of a private one, started if need be."""
    if reachable():
        return {}
    engine = engine_of(owner)
    engine.folder.mkdir(mode=0o700, exist_ok=True)
    if not reachable(engine.host):
        engine.start()
    return {"DOCKER_HOST": engine.host}


def _end(pid_file: Path, folder: str) -> None:
    """TERM, then KILL, for the process in a pid file, if it is one of this folder."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    ends = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(ProcessLookupError):
        while _is_of(pid, folder):
            os.kill(pid, signal.SIGTERM if time.monotonic() < ends else signal.SIGKILL)
            for _ in range(20):
                if not _is_of(pid, folder):
                    return
                _reap(pid)
                time.sleep(POLL_SECONDS)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _is_of(pid: int, folder: str) -> bool:
    try:
        return folder.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines() if Path("/proc/self/mounts").exists() else []
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]
