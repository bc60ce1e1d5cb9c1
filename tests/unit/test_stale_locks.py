"""A lock of a killed pulumi is removed; everybody else's stays."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.stale_locks import main, stale


def lock_of(folder: Path, pid: int, host: str = "", taken: datetime | None = None) -> Path:
    """A lock as Pulumi writes it."""
    lock = folder / ".pulumi" / "locks" / "organization" / "verdigris" / "dev" / f"{pid}.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    at = (taken or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    lock.write_text(json.dumps({"pid": pid, "username": "ann", "hostname": host or socket.gethostname(), "timestamp": at}))
    return lock


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_the_lock_of_a_process_that_is_gone_is_removed_with_a_word(tmp_path: Path, gone: int, capsys: pytest.CaptureFixture[str]) -> None:
    lock = lock_of(tmp_path, gone)
    main(tmp_path)
    assert not lock.exists()
    assert "removed the lock of stack dev" in capsys.readouterr().err


def test_the_lock_of_a_living_process_stays(tmp_path: Path) -> None:
    lock = lock_of(tmp_path, os.getpid())
    main(tmp_path)
    assert lock.exists()


def test_the_lock_of_another_machine_stays(tmp_path: Path, gone: int) -> None:
    assert not stale(lock_of(tmp_path, gone, host="elsewhere"))


def test_a_number_that_another_process_got_later_does_not_keep_a_lock(tmp_path: Path) -> None:
    assert stale(lock_of(tmp_path, os.getpid(), taken=datetime.now(UTC) - timedelta(days=365)))


def test_a_lock_that_is_no_lock_stays(tmp_path: Path) -> None:
    lock = lock_of(tmp_path, 1)
    lock.write_text("{")
    assert not stale(lock)
    lock.write_text('{"pid": "x", "hostname": "h", "timestamp": "t"}')
    assert not stale(lock)


def test_a_backend_without_locks_is_fine(tmp_path: Path) -> None:
    main(tmp_path)
