"""Which certificates are taken, and what is said about the others before anything is changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from delivery.refusal import Refusal
from probes.tls_files import read_tls, tls_texts
from tests.fakes.certificates import make_certificate


def refusal_of(root: Path, certificate: str, key: str) -> str:
    with pytest.raises(Refusal) as caught:
        read_tls(root, certificate, key)
    return str(caught.value)


def test_a_good_certificate_is_taken_from_the_root_or_by_its_absolute_path(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path / "tls")
    found = read_tls(tmp_path, "tls/server.crt", "tls/server.key")
    assert found == read_tls(Path("/"), str(certificate), str(key))
    assert tls_texts(found) == {"tls.crt": certificate.read_text(), "tls.key": key.read_text()}


def test_another_certificate_has_another_digest(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    before = read_tls(tmp_path, "server.crt", "server.key")
    make_certificate(tmp_path)
    assert read_tls(tmp_path, "server.crt", "server.key").digest != before.digest


def test_what_no_client_would_take_is_refused(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    make_certificate(tmp_path, "other")
    make_certificate(tmp_path, "old", days=-1)
    (tmp_path / "empty.crt").write_text("")
    passphrase = ["openssl", "ec", "-in", "server.key", "-aes256", "-passout", "pass:hidden", "-out", "locked.key"]
    subprocess.run(passphrase, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert refusal_of(tmp_path, "none.crt", "server.key").startswith(f"router.tls.certificate: got {tmp_path}/none.crt (No such file")
    assert refusal_of(tmp_path, "server.crt", "none.key").startswith(f"router.tls.key: got {tmp_path}/none.key (No such file")
    assert "another certificate's key" in refusal_of(tmp_path, "server.crt", "other.key")
    assert "router.tls.certificate: got" in (expired := refusal_of(tmp_path, "old.crt", "old.key"))
    assert "expired" in expired
    for certificate, key in (("server.crt", "locked.key"), ("empty.crt", "server.key"), ("server.key", "server.crt")):
        assert "need the certificate's own key, in PEM and without a passphrase" in refusal_of(tmp_path, certificate, key)
