"""nginx's files on disk: checked by nginx itself before they replace the old ones, and loaded by a graceful reload after."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from delivery.color import Weights
from delivery.nginx_config import ACCESS_LOG, MAIN_FILE, SERVICES_FOLDER, check_command, nginx_files
from delivery.nginx_service import weights_in_http_text
from delivery.refusal import Refusal
from delivery.topology import Topology
from probes.atomic_file import naming
from probes.nginx_process import check_in_container, find_master
from probes.router_text import PRIVATE, write_if_changed

CHECK_SECONDS = 20.0
ROTATE_BYTES = 20_000_000
KEPT = 5


def nginx_binary() -> Path:
    """nginx on PATH, or where Debian puts it. Raises Refusal without one."""
    found = _installed()
    if found is None:
        raise Refusal("router.kind", "nginx", "nginx on this machine", "it isn't on PATH", "install it (Debian: nginx-light) or use envoy")
    return Path(found)


def _installed() -> str | None:
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]))


def publish(folder: Path, topology: Topology, weights: Mapping[str, Weights], tls: Mapping[str, str]) -> None:
    """Write what changed and let nginx load it; `tls` are the files of its certificate by name.

    Raises Refusal for files that nginx doesn't take, OSError; nothing is changed then.
    """
    texts = {**tls, **nginx_files(topology, weights)}
    _check(folder, texts, topology)
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


def _services_first(item: tuple[str, str]) -> tuple[bool, str]:
    return (item[0] == MAIN_FILE, item[0])


def _only_in_container(topology: Topology) -> bool:
    """The nginx of this machine checks as well as the image's, faster, and while Docker is down."""
    return bool(topology.image) and _installed() is None


def _check(folder: Path, texts: Mapping[str, str], topology: Topology) -> None:
    """Ask nginx about the texts in a folder of their own; the paths in them are relative, so what holds there holds here."""
    with tempfile.TemporaryDirectory(prefix=".check-", dir=folder) as aside:
        (Path(aside) / SERVICES_FOLDER).mkdir()
        for name, text in texts.items():
            try:
                (Path(aside) / name).touch(PRIVATE)
                (Path(aside) / name).write_text(text, encoding="utf-8")
            except OSError as error:
                raise naming(error, folder / name) from error
        command = check_in_container(folder, aside, topology) if _only_in_container(topology) else check_command(str(nginx_binary()), aside)
        checked = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False)
    if checked.returncode != 0:
        lines = [line for line in checked.stderr.splitlines() if "[emerg]" in line] or checked.stderr.splitlines()
        said = (lines or ["no reason"])[0].replace(f"{aside}/", "")
        raise Refusal("router", f"files that nginx refuses ({said})", "files that pass `nginx -t`", "it would not load them", "report it")


def _reload(folder: Path) -> None:
    """New workers with the new files and, past its size, a new access log; the old ones finish what they have, with the old one.

    Without a running nginx there is nothing to do.
    """
    pid = find_master(folder)
    if pid is not None:
        _rotate(folder / ACCESS_LOG)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)


def _rotate(log: Path) -> None:
    """Keep what is there as `.1` and shift what was kept before. Whoever has it open goes on writing to it."""
    with contextlib.suppress(OSError):
        if log.stat().st_size < ROTATE_BYTES:
            return
        kept = [log, *(log.with_name(f"{log.name}.{number}") for number in range(1, KEPT + 1))]
        for old, new in reversed(list(pairwise(kept))):
            with contextlib.suppress(FileNotFoundError):
                old.rename(new)
