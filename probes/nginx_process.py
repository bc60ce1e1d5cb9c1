"""The nginx that runs on a folder of files, as a process of this machine or in a container; and the command that checks such files."""

from __future__ import annotations

import os
from pathlib import Path

from delivery.nginx_config import PID_FILE, check_command
from delivery.topology import Topology


def find_master(folder: Path) -> int | None:
    """The process id of the nginx that runs on these files, None when none does.

    Its pid file counts only when that process is it: a container's nginx writes the id that it has inside, and a dead one's belongs to
    anybody now. Then it is looked for among all processes, which shows a container's under the id that it has out here.
    """
    try:
        pid = int((folder / PID_FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    if _is_master(pid, folder):
        return pid
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return next((each for each in pids if _is_master(each, folder)), None)


def check_in_container(folder: Path, aside: str, topology: Topology) -> list[str]:
    """The command that checks the files in `aside`, below `folder`, with the nginx of the router's image: this machine needs none."""
    host = ["--host", topology.docker_host] if topology.docker_host else []
    user = f"{os.getuid()}:{os.getgid()}"
    isolated = ["--rm", "--network", "none", "--cap-drop", "ALL", "--user", user, "--read-only", "--tmpfs", "/tmp"]
    nginx, *arguments = check_command("nginx", aside)
    return ["docker", *host, "run", *isolated, "--volume", f"{folder}:{folder}", "--entrypoint", nginx, topology.image, *arguments]


def _is_master(pid: int, folder: Path) -> bool:
    """nginx's master shows its command line behind its title; its workers, and a check of other files, don't show this folder so."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return False
    return b"nginx" in command and os.fsencode(f" -p {folder}/ -c") in command and b" -t " not in command
