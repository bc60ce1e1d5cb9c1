"""nginx's files on disk: checked by nginx itself before they replace the old ones, and loaded by a graceful reload after."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from delivery.color import Weights
from delivery.nginx_config import MAIN_FILE, PID_FILE, SERVICES_FOLDER, check_command, nginx_files
from delivery.nginx_service import weights_in_http_text
from delivery.refusal import Refusal
from delivery.topology import Topology
from probes.router_text import PRIVATE, write_if_changed

CHECK_SECONDS = 20.0


def nginx_binary() -> Path:
    """nginx on PATH, or where Debian puts it. Raises Refusal without one."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        raise Refusal("router.kind", "nginx", "nginx on this machine", "it isn't on PATH", "install it (Debian: nginx-light) or use envoy")
    return Path(found)


def publish(folder: Path, topology: Topology, weights: Mapping[str, Weights], tls: Mapping[str, str]) -> None:
    """Write what changed and let nginx load it; `tls` are the files of its certificate by name.

    Raises Refusal for files that nginx doesn't take, OSError; nothing is changed then.
    """
    texts = {**tls, **nginx_files(topology, weights)}
    _check(folder, texts)
    changed = [write_if_changed(folder / name, text) for name, text in sorted(texts.items(), key=_services_first)]
    gone = [path for path in (folder / SERVICES_FOLDER).glob("*.*") if f"{SERVICES_FOLDER}/{path.name}" not in texts]
    for path in gone:
        path.unlink(missing_ok=True)
    if gone or any(changed):
        _reload(folder)


def written_weights(folder: Path) -> dict[str, Weights]:
    """The weights in the files. Raises OSError or ValueError where there are none yet or one isn't ours."""
    if not (folder / MAIN_FILE).is_file():
        raise FileNotFoundError(folder / MAIN_FILE)
    found = {path.stem: weights_in_http_text(path.read_text(encoding="utf-8")) for path in (folder / SERVICES_FOLDER).glob("*.http")}
    return {name: weights for name, weights in found.items() if weights is not None}


def master_pid(folder: Path) -> int | None:
    """The process id of the nginx that runs on these files, None when none does."""
    try:
        pid = int((folder / PID_FILE).read_text(encoding="ascii"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"nginx" in command else None  # a number left by a dead one may belong to anybody now


def _services_first(item: tuple[str, str]) -> tuple[bool, str]:
    return (item[0] == MAIN_FILE, item[0])


def _check(folder: Path, texts: Mapping[str, str]) -> None:
    """Ask nginx about the texts in a folder of their own; the paths in them are relative, so what holds there holds here."""
    binary = nginx_binary()
    with tempfile.TemporaryDirectory(prefix=".check-", dir=folder) as aside:
        (Path(aside) / SERVICES_FOLDER).mkdir()
        for name, text in texts.items():
            path = Path(aside) / name
            path.touch(PRIVATE)
            path.write_text(text, encoding="utf-8")
        checked = subprocess.run(check_command(str(binary), aside), capture_output=True, text=True, timeout=CHECK_SECONDS, check=False)
    if checked.returncode != 0:
        lines = [line for line in checked.stderr.splitlines() if "[emerg]" in line] or checked.stderr.splitlines()
        said = (lines or ["no reason"])[0].replace(f"{aside}/", "")
        raise Refusal("router", f"files that nginx refuses ({said})", "files that pass `nginx -t`", "it would not load them", "report it")


def _reload(folder: Path) -> None:
    """New workers with the new files; the old ones finish what they have. Without a running nginx there is nothing to do."""
    pid = master_pid(folder)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)
