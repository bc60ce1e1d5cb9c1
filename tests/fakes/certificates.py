"""Certificates made on the spot by openssl, for tests of TLS."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(folder: Path, name: str = "server", days: int = 2) -> tuple[Path, Path]:
    """A self-signed certificate for loopback and its key; negative `days` make an expired one."""
    folder.mkdir(parents=True, exist_ok=True)
    request, key, certificate = (f"{name}.{ending}" for ending in ("csr", "key", "crt"))
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    sign = ["x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-extfile", "names", "-out", certificate]
    for arguments in ([*new, "-keyout", key, "-out", request], sign):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
    return folder / certificate, folder / key
