"""The files of a certificate: looked at before anything is changed, and read for the copies that the router uses."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

from delivery.config_advice import how_to_set
from delivery.envoy_names import TLS_CERTIFICATE, TLS_KEY
from delivery.refusal import Refusal
from delivery.topology import TlsFiles

_HANDSHAKE_TURNS = 10
_EXAMPLES = {"certificate": "tls/server.crt", "key": "tls/server.key"}


def read_tls(root: Path, certificate: str, key: str) -> TlsFiles:
    """The files, absolute (relative ones are from `root`) and with their digest.

    Raises Refusal for one that can't be read or is no PEM, a key that needs a passphrase or belongs to another certificate, and a
    certificate that is expired or not valid yet.
    """
    paths = {"certificate": root / certificate, "key": root / key}
    texts = {field: _read(field, path) for field, path in paths.items()}
    _refuse_misfit(paths["certificate"], paths["key"])
    digest = hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()[:16]
    return TlsFiles(certificate=str(paths["certificate"]), key=str(paths["key"]), digest=digest)


def tls_texts(files: TlsFiles) -> dict[str, str]:
    """What is in the files, by the name of the router's copy. Raises Refusal."""
    return {TLS_CERTIFICATE: _read("certificate", Path(files.certificate)), TLS_KEY: _read("key", Path(files.key))}


def written_tls_texts(folder: Path) -> Mapping[str, str]:
    """The copies that the router in `folder` uses. Raises OSError."""
    return {name: (folder / name).read_text(encoding="utf-8") for name in (TLS_CERTIFICATE, TLS_KEY)}


def _read(field: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise _refusal(field, f"{path} ({reason})", "a PEM file that can be read", "the router shows it to clients") from None


def _refuse_misfit(certificate: Path, key: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        misfit = error.reason == "KEY_VALUES_MISMATCH"
        what = "another certificate's key" if misfit else f"files that are no certificate and key ({error.reason})"
        need = "the certificate's own key, in PEM and without a passphrase"
        raise _refusal("key", f"{what}: {certificate} and {key}", need, "no handshake would succeed") from None
    reason = _handshake_problem(server, certificate)
    if reason:
        raise _refusal("certificate", f"{certificate}, which clients refuse ({reason})", "one that is valid now", "every client would fail")


def _handshake_problem(server_context: ssl.SSLContext, certificate: Path) -> str | None:
    """What a client that trusts this very certificate says to it, in memory: OpenSSL knows dates, Python reads none of a file."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client_context.load_verify_locations(certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_HANDSHAKE_TURNS):
        try:
            done = [_advanced(side.do_handshake) for side in (client, server)]
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except ssl.SSLError as error:
            return error.reason or "no handshake"
        if all(done):
            return None
    return "the handshake doesn't end"


def _advanced(handshake: Callable[[], None]) -> bool:
    try:
        handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _no_password() -> str:
    """Instead of OpenSSL's question on the terminal."""
    return ""


def _refusal(field: str, got: str, need: str, because: str) -> Refusal:
    path = f"router.tls.{field}"
    return Refusal(path, got, need, because, how_to_set(path, _EXAMPLES[field]))
