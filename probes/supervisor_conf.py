"""The text of supervisord's files and of the launcher's spec. Pure; probes/supervisor.py and probes/programs.py write them."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from delivery.refusal import Refusal
from probes.stack_home import StackHome

# supervisord kills this long after the time a program was promised for draining.
STOP_MARGIN_SECONDS = 5
# supervisord gives up after `startretries` quick deaths; an engine whose GPU is busy for an hour should still come back.
_START_RETRIES = 1_000_000
_LOG_BYTES, _LOG_BACKUPS = "20MB", 5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LAUNCHER = Path(__file__).parent / "launch.py"


@dataclass(frozen=True)
class ProgramSpec:
    """What makes a running process the one that is wanted: any other value here means a restart.

    `environment_files` maps a variable to the file with its (secret) value; `files_digest` changes with their contents and `fingerprint`
    with whatever else the caller wants a restart for (a release digest).
    """

    command: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]
    environment_files: Mapping[str, str]
    files_digest: str = ""
    fingerprint: str = ""

    def to_json(self) -> str:
        """Byte-deterministic, so that equal specs are equal texts."""
        return json.dumps({**self.__dict__, "command": list(self.command)}, indent=1, sort_keys=True) + "\n"


def valid_name(name: str) -> str:
    """The name itself. Raises Refusal for one that can't be a file name or a section of supervisord's configuration."""
    if not _NAME.fullmatch(name):
        raise Refusal("program", repr(name), "letters, digits, '.', '_' and '-'", "it names files", "rename the service")
    return name


def quoted(argument: str) -> str:
    """An argument as supervisord's `command=` reads it back: shell quotes, `%` doubled, no ` #` or ` ;` (they begin comments)."""
    if "\n" in argument or "\r" in argument:
        raise Refusal("command", repr(argument), "one line", "supervisord's file has one line a value", "move the folder to another path")
    return re.sub(r"(\s)([#;])", r"\1''\2", shlex.quote(argument)).replace("%", "%%")


def daemon_conf(home: StackHome) -> str:
    """supervisord.conf of a stack. Paths are relative to the home, where the daemon runs: a home may have ` #` or `%` in its name."""
    inside = home.supervisor_socket.parent == home.path
    socket = home.supervisor_socket.name if inside else str(home.supervisor_socket)
    # For a person with `supervisorctl -c`: it reads this file from anywhere, so its path begins at the file.
    url = f"%(here)s/{socket}" if inside else socket
    return f"""; written by Verdigris
[unix_http_server]
file={socket}
chmod=0600

[supervisord]
logfile={_relative(home, home.log("supervisord"))}
logfile_maxbytes={_LOG_BYTES}
logfile_backups={_LOG_BACKUPS}
pidfile={_relative(home, home.supervisor_pid)}
childlogdir={_relative(home, home.logs)}
identifier=verdigris
nocleanup=true
minfds=256

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{url}

[include]
files=programs/*.conf
"""


def program_conf(home: StackHome, name: str, stop_seconds: int, stop_signal: str = "TERM", *, logs_requests: bool = False) -> str:
    """`programs/<name>.conf`: run the launcher on `<name>.json`, restart it whenever it ends, give it `stop_seconds` to drain
    after `stop_signal`. With `logs_requests` its standard output has a file of its own.

    Only the program itself gets that signal: a vLLM engine's workers have to live until it has drained. What is left is killed.
    """
    command = " ".join(
        quoted(part) for part in (sys.executable, "-I", "-S", str(_LAUNCHER), _relative(home, home.program_spec(valid_name(name))))
    )
    return f"""; written by Verdigris
[program:{name}]
command={command}
autostart=true
autorestart=true
startsecs=1
startretries={_START_RETRIES}
stopsignal={stop_signal}
stopwaitsecs={stop_seconds + STOP_MARGIN_SECONDS}
stopasgroup=false
killasgroup=true
redirect_stderr={"false" if logs_requests else "true"}
{_log_file("stdout", home, home.access_log(name) if logs_requests else home.log(name))}\
{_log_file("stderr", home, home.log(name)) if logs_requests else ""}"""


def _log_file(stream: str, home: StackHome, path: Path) -> str:
    return f"{stream}_logfile={_relative(home, path)}\n{stream}_logfile_maxbytes={_LOG_BYTES}\n{stream}_logfile_backups={_LOG_BACKUPS}\n"


def _relative(home: StackHome, path: Path) -> str:
    return str(path.relative_to(home.path))
