"""Fetches the official Pulumi CLI into a new folder, verified by the checksums that its release publishes.

Owns the download only; that the site can be reached, and what to do when it cannot, is decided by scripts/setup.
Standard library only, because it runs before anything is installed.

    python download_pulumi.py probe VERSION         exit 0 when the checksums can be read (a few seconds at most)
    python download_pulumi.py fetch VERSION TARGET  writes TARGET/bin, aside and then renamed
"""

import hashlib
import os
import platform
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

ARCHIVES = "https://get.pulumi.com/releases/sdk"
CHECKSUMS = "https://github.com/pulumi/pulumi/releases/download"
PROBE_SECONDS = 3.0
STALL_SECONDS = 30.0
CHUNK_BYTES = 1 << 20


def archive_name(version: str) -> str:
    """The name of the release archive for this machine, for instance `pulumi-v3.250.0-linux-x64.tar.gz`."""
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine().lower()]
    return f"pulumi-v{version}-{platform.system().lower()}-{machine}.tar.gz"


def published_checksum(version: str, timeout_seconds: float) -> str:
    """The SHA-256 that the release publishes for this machine's archive."""
    base = os.environ.get("VERDIGRIS_PULUMI_MIRROR", f"{CHECKSUMS}/v{version}")
    with urllib.request.urlopen(f"{base}/pulumi-{version}-checksums.txt", timeout=timeout_seconds) as reply:
        text: str = reply.read().decode()
        for line in text.splitlines():
            checksum, _, name = line.partition("  ")
            if name.strip() == archive_name(version):
                return checksum
    raise LookupError(f"the release {version} publishes no checksum for {archive_name(version)}")


def download(version: str, into: Path) -> str:
    """Writes the archive to `into`, says how far it is, and returns its SHA-256."""
    base = os.environ.get("VERDIGRIS_PULUMI_MIRROR", ARCHIVES)
    digest, done_bytes, said_bytes = hashlib.sha256(), 0, 0
    with urllib.request.urlopen(f"{base}/{archive_name(version)}", timeout=STALL_SECONDS) as reply, into.open("wb") as file:
        total_bytes = int(reply.headers.get("Content-Length") or 0)
        while chunk := reply.read(CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            done_bytes += len(chunk)
            if done_bytes - said_bytes >= 20 * CHUNK_BYTES:
                said_bytes = done_bytes
                print(f"         {done_bytes >> 20} of {total_bytes >> 20} MiB", file=sys.stderr)
    return digest.hexdigest()


def fetch(version: str, target: Path) -> None:
    """Downloads, verifies and unpacks; `target` appears only when all of it is right."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.downloading-") as name:
        aside = Path(name)
        expected = published_checksum(version, STALL_SECONDS)
        found = download(version, aside / "archive.tar.gz")
        if found != expected:
            raise ValueError(f"{archive_name(version)}: got SHA-256 {found}, need {expected} because the release publishes it; not used")
        with tarfile.open(aside / "archive.tar.gz") as archive:
            archive.extractall(aside, filter="data")
        (aside / "complete").mkdir()
        shutil.move(aside / "pulumi", aside / "complete" / "bin")
        (aside / "complete").rename(target)


def main(arguments: list[str]) -> int:
    """Runs one of the two commands; a failure is one line and exit code 1, since the caller has another way."""
    try:
        if arguments[0] == "probe":
            published_checksum(arguments[1], PROBE_SECONDS)
        else:
            fetch(arguments[1], Path(arguments[2]))
    except (OSError, LookupError, ValueError, tarfile.TarError) as error:
        print(f"         {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
