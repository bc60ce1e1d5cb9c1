"""The door of the dynamic providers, secret files, and Envoy's drain: everything that needs no supervisord."""

from __future__ import annotations

import http.server
import json
import logging
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi.output import Unknown

from probes import envoy_drain
from probes.supervisor_rpc import SupervisorUnreachable
from providers.process import ProcessProvider
from providers.refused import refusals, refused
from providers.secret_file import RandomSecretFileProvider, SecretFileProvider
from providers.supervisor import SupervisorProvider


def process(home: Path, **more: object) -> dict[str, object]:
    return {"home": str(home), "name": "chat-blue-0", "command": ["/bin/true"], "ports": [], "stop_seconds": 3.0, **more}


def logged(error: Exception) -> bool:
    """Whether gRPC's server prints the traceback of what a provider raised."""
    log = logging.getLogger("grpc._server")
    try:
        raise error
    except Exception:
        return bool(log.filter(log.makeRecord(log.name, logging.ERROR, "", 0, "Exception calling application", (), sys.exc_info())))


def test_a_refusal_loses_its_traceback_and_what_nobody_foresaw_keeps_it_even_after_one() -> None:
    assert not logged(refused("chat: got x, need y because z; do w"))
    assert logged(ZeroDivisionError())


def test_only_what_we_foresaw_becomes_a_refusal() -> None:
    with pytest.raises(ZeroDivisionError), refusals():
        _ = 1 / 0
    with pytest.raises(Exception, match="no daemon"), refusals():
        raise SupervisorUnreachable("no daemon")
    with pytest.raises(Exception, match=r"x\.json: got No space left on device"), refusals():
        raise OSError(28, "No space left on device", "x.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [("name", "../x"), ("command", []), ("stop_seconds", -1.0), ("stop_seconds", 1.5), ("ports", ["http"]), ("environment", {"A": [1]})],
)
def test_inputs_that_do_not_fit_are_refused_by_name(tmp_path: Path, key: str, value: object) -> None:
    failures = ProcessProvider().check({}, process(tmp_path, **{key: value})).failures
    assert [failure.property.split(".")[0] for failure in failures] == [key]


def test_a_preview_with_unknowns_neither_fails_nor_promises(tmp_path: Path) -> None:
    nothing = Unknown()  # type: ignore[no-untyped-call]
    unknown = process(tmp_path, fingerprint=nothing, environment={"A": nothing})
    assert ProcessProvider().check({}, unknown).failures == []
    assert ProcessProvider().diff("x", process(tmp_path), unknown).changes is True


def test_an_unreachable_supervisor_is_a_change_and_no_error(tmp_path: Path) -> None:
    assert ProcessProvider().diff("x", process(tmp_path), process(tmp_path)).changes is True
    assert SupervisorProvider().diff("x", {"home": str(tmp_path)}, {"home": str(tmp_path)}).changes is True
    assert list(tmp_path.iterdir()) == []


def test_another_name_or_home_is_another_program(tmp_path: Path) -> None:
    diff = ProcessProvider().diff("x", process(tmp_path), process(tmp_path, name="chat-blue-1"))
    assert diff.replaces == ["name"]
    assert diff.delete_before_replace


def test_what_is_gone_reads_as_gone(tmp_path: Path) -> None:
    assert ProcessProvider().read("x", process(tmp_path)).id == ""
    assert SupervisorProvider().read("x", {"home": str(tmp_path)}).id == ""
    assert SecretFileProvider().read("x", {"path": str(tmp_path / "none")}).id == ""


def test_a_secret_file_is_private_and_its_value_is_no_output(tmp_path: Path) -> None:
    provider, path = SecretFileProvider(), tmp_path / "secrets" / "engine-key"
    wanted = {"path": str(path), "value": "sk-secret"}
    outs = provider.create(dict(wanted)).outs
    assert outs is not None
    assert path.read_text() == "sk-secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "sk-secret" not in json.dumps(outs)
    assert provider.diff("x", outs, wanted).changes is False
    assert provider.diff("x", outs, {**wanted, "value": "another"}).changes is True
    path.chmod(0o644)
    assert provider.diff("x", outs, wanted).changes is True, "a secret that others may read is written again"
    path.unlink()
    assert provider.diff("x", outs, wanted).changes is True
    provider.delete("x", outs)


def test_a_random_secret_is_made_once(tmp_path: Path) -> None:
    provider, path = RandomSecretFileProvider(), tmp_path / "secrets" / "forced-color"
    outs = provider.create({"path": str(path)}).outs
    assert outs is not None
    first = path.read_text()
    assert len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert provider.create({"path": str(path)}).outs == outs
    assert path.read_text() == first
    assert provider.diff("x", outs, {"path": str(path)}).changes is False
    path.unlink()
    assert provider.diff("x", outs, {"path": str(path)}).changes is True


class FakeEnvoy:
    """An admin interface whose requests in flight follow a script; the last number stays."""

    def __init__(self, counts: list[int]) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked.append(self.path)
                self._answer("OK")

            def do_GET(self) -> None:
                left = counts.pop(0) if len(counts) > 1 else counts[0]
                stats = [("http.admin.downstream_rq_active", 1), ("http.verdigris.downstream_rq_active", left)]
                self._answer(json.dumps({"stats": [{"name": name, "value": value} for name, value in stats]}))

            def _answer(self, text: str) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def fake_envoy(request: pytest.FixtureRequest) -> Iterator[FakeEnvoy]:
    envoy = FakeEnvoy(list(request.param))
    yield envoy
    envoy.server.shutdown()
    envoy.server.server_close()


@pytest.mark.parametrize("fake_envoy", [[3, 2, 1, 0]], indirect=True)
def test_draining_waits_until_no_request_but_ours_is_in_flight(fake_envoy: FakeEnvoy) -> None:
    assert envoy_drain.drain(fake_envoy.url, 60) is True
    assert envoy_drain.requests_in_flight(fake_envoy.url) == 0
    assert fake_envoy.asked == ["/drain_listeners?graceful&skip_exit"]


@pytest.mark.parametrize("fake_envoy", [[2]], indirect=True)
def test_draining_ends_at_its_deadline_and_says_what_is_left(fake_envoy: FakeEnvoy) -> None:
    said: list[str] = []
    assert envoy_drain.drain(fake_envoy.url, 0.3, said.append) is False
    assert "2 requests still in flight" in said[-1]


def test_an_envoy_that_is_gone_is_drained() -> None:
    assert envoy_drain.drain("http://127.0.0.1:9", 60) is True
