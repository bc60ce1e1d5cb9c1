"""Where a stack keeps its files. Owns every path below `<home>`; who writes which file is left to the writers."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

# A unix socket's path holds 107 characters, and supervisord first binds `<socket>.<pid>` (8 more).
_LONGEST_SOCKET_PATH = 95


@dataclass(frozen=True)
class StackHome:
    """The folder of one stack on this machine, always absolute and without links. Creating one writes nothing."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(os.path.realpath(self.path)))

    @property
    def supervisor_conf(self) -> Path:
        """What the stack's supervisord reads; also how its process is recognised."""
        return self.path / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        """Written by supervisord; stale after a `kill -9`."""
        return self.path / "supervisord.pid"

    @property
    def supervisor_socket(self) -> Path:
        """The RPC socket (0600); in /tmp under a name of its own when the home's path is too long for a socket."""
        inside = self.path / "supervisor.sock"
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(f"{os.getuid()}:{self.path}".encode()).hexdigest()[:16]
        return Path("/tmp") / f"verdigris-{digest}.sock"

    @property
    def supervisor_lock(self) -> Path:
        """Held (flock) while a daemon is started or a program is added or removed."""
        return self.path / ".supervisor.lock"

    @property
    def programs(self) -> Path:
        """One `<name>.conf` and one `<name>.json` a program."""
        return self.path / "programs"

    def program_conf(self, name: str) -> Path:
        """What supervisord is told of a program."""
        return self.programs / f"{name}.conf"

    def program_spec(self, name: str) -> Path:
        """What the launcher runs: command, environment, folder."""
        return self.programs / f"{name}.json"

    @property
    def logs(self) -> Path:
        """Logs of supervisord and of every program."""
        return self.path / "logs"

    def log(self, name: str) -> Path:
        """Standard output and error of a program; rotated."""
        return self.logs / f"{name}.log"

    def access_log(self, name: str) -> Path:
        """Standard output alone, of a program that writes a line for each request there; rotated."""
        return self.logs / f"{name}.access.log"

    @property
    def router(self) -> Path:
        """Topology and the files that the router reads."""
        return self.path / "router"

    @property
    def topology(self) -> Path:
        """The services, pools and engines behind the router, as the last `up` wanted them."""
        return self.router / "topology.json"

    @property
    def services(self) -> Path:
        """One split record a service."""
        return self.path / "services"

    def split_record(self, service: str) -> Path:
        """What TrafficSplit remembers of a service."""
        return self.services / f"{service}.json"

    @property
    def answers(self) -> Path:
        """Answers that the evaluation gate kept."""
        return self.path / "answers"

    @property
    def secrets(self) -> Path:
        """Files with mode 0600; their values are in no other file."""
        return self.path / "secrets"

    @property
    def forced_color_secret(self) -> Path:
        """The value of the header that lets gates force a color."""
        return self.secrets / "forced-color"

    @property
    def engine_key(self) -> Path:
        """The engines' API key, only there when one is configured."""
        return self.secrets / "engine-key"

    @property
    def grader_key(self) -> Path:
        """The key of the model that grades evaluations, only there when one is configured."""
        return self.secrets / "grader-key"

    @property
    def client_keys(self) -> Path:
        """The keys of clients as JSON (name -> key), only there when some are configured."""
        return self.secrets / "client-keys"


def home_of(project_root: Path, stack: str) -> StackHome:
    """The home of a stack: `<project>/.verdigris/<stack>`, or `$VERDIGRIS_HOME/<stack>` where that variable is set."""
    parent = os.environ.get("VERDIGRIS_HOME")
    return StackHome((Path(parent) if parent else project_root / ".verdigris") / stack)
