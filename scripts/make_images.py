"""Makes the container images of the docker target from files of this machine, for machines that can pull none.

An image's tag is the hash of its files, so an unchanged one is never made again; `:dev` is moved to the last one made.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from delivery.refusal import Refusal
from scripts.image_files import Files, envoy_files, nginx_files, simulator_files

FORMAT = 1
"""Raise it when images of the same files have to be made again."""

_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"
_GROUP = "root:x:0:\nnogroup:x:65534:\n"
_TEXTS = {"etc/passwd": _PASSWD, "etc/group": _GROUP, "etc/hosts": "127.0.0.1 localhost\n"}
_FOLDERS = {
    "tmp": 0o1777, "root": 0o700, "var/log/nginx": 0o777, "var/lib/nginx": 0o777, "run": 0o755, "proc": 0o555, "sys": 0o555, "dev": 0o755,
}  # fmt: skip
_ENVIRONMENT = (
    "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/bin", "PYTHONPATH=/opt/verdigris", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1",
    "LD_LIBRARY_PATH=/usr/lib/verdigris", "HOME=/tmp",
)  # fmt: skip


@dataclass(frozen=True)
class Image:
    """One image: its name and what it is made of."""

    name: str
    files: Callable[[], Files]

    @property
    def repository(self) -> str:
        """The name without a tag."""
        return f"verdigris/{self.name}"


IMAGES = (Image("simulator", simulator_files), Image("envoy", envoy_files), Image("nginx", nginx_files))
NAMES = tuple(image.name for image in IMAGES)


def say(text: str) -> None:
    """One line of progress."""
    print(f"make-images: {text}", file=sys.stderr, flush=True)


def make(image: Image, host: str) -> str:
    """Make an image unless the engine has it; returns its tag. Raises Refusal when a part of it isn't on this machine."""
    started = time.monotonic()
    files = image.files()
    tag = f"{image.repository}:{_digest(files)}"
    dev = f"{image.repository}:dev"
    if _docker(host, "image", "inspect", "--format", "{{.Id}}", tag).returncode != 0:
        say(f"{tag}: {len(files)} files, {sum(file.stat().st_size for file in files.values()) / 1e6:.0f} MB")
        _import(host, tag, files)
        say(f"{tag}: made in {time.monotonic() - started:.1f} s")
    _must(_docker(host, "tag", tag, dev))
    return tag


def make_all(host: str, names: Sequence[str] = NAMES) -> dict[str, str]:
    """Make several; name -> tag."""
    return {image.name: make(image, host) for image in IMAGES if image.name in names}


def _digest(files: Files) -> str:
    digest = hashlib.sha256(f"{FORMAT} {_TEXTS} {_FOLDERS} {_ENVIRONMENT}".encode())
    for name, file in sorted(files.items()):
        with file.open("rb") as handle:
            digest.update(f"{name} {file.stat().st_mode & 0o777:o} {hashlib.file_digest(handle, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:12]


def _import(host: str, tag: str, files: Files) -> None:
    changes = [word for each in _ENVIRONMENT for word in ("--change", f"ENV {each}")]
    command = [*_client(host), "import", *changes, "-", tag]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as docker:
        assert docker.stdin is not None
        assert docker.stderr is not None
        try:
            with tarfile.open(fileobj=docker.stdin, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                _fill(archive, files)
            docker.stdin.close()
        except BrokenPipeError:
            pass  # docker says why
        problem = docker.stderr.read().decode(errors="replace").strip()
    if docker.returncode != 0:
        raise Refusal(tag, problem or f"exit code {docker.returncode}", "an image", "containers start from it", "look at the engine's log")


def _fill(archive: tarfile.TarFile, files: Files) -> None:
    """Owned by root and without times, so that the same files make the same archive."""
    for folder, mode in _FOLDERS.items():
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        archive.addfile(entry)
    for name, text in _TEXTS.items():
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(text), 0o644
        archive.addfile(entry, io.BytesIO(text.encode()))
    for name, file in sorted(files.items()):
        entry = tarfile.TarInfo(name)
        stat = file.stat()
        entry.size, entry.mode = stat.st_size, 0o755 if stat.st_mode & 0o111 else 0o644
        with file.open("rb") as handle:
            archive.addfile(entry, handle)


def _client(host: str) -> list[str]:
    return ["docker", "--host", host] if host else ["docker"]


def _docker(host: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_client(host), *arguments], capture_output=True, text=True, check=False)


def _must(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise Refusal("docker", done.stderr.strip(), "a Docker engine that answers", "it keeps the images", "start dockerd, or name --host")


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The command line; prints one tag a line."""
    parser = argparse.ArgumentParser(prog="scripts/make-images", description="Makes the docker target's images from files of this machine.")
    parser.add_argument("names", nargs="*", metavar="IMAGE", help=f"only these, of {', '.join(NAMES)}")
    parser.add_argument("--host", default=environment.get("DOCKER_HOST", ""), help="the engine's address (default: DOCKER_HOST)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"got {unknown[0]!r}, need some of {', '.join(NAMES)}")
    try:
        _must(_docker(options.host, "version"))
        for tag in make_all(options.host, options.names or NAMES).values():
            print(tag)
    except Refusal as refusal:
        say(str(refusal))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
