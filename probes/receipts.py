"""Receipts on the disk of a stack, one file a gate, and the records of its shifts. What they are worth is decided in delivery."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from delivery.color import Color
from delivery.receipt import GateName, Receipt
from delivery.refusal import Refusal
from delivery.split_record import SplitRecord
from probes.atomic_file import write_atomically


def write_receipt(home: Path, receipt: Receipt) -> None:
    """Keep a receipt in place of the last one of the same gate and color. Raises OSError."""
    write_atomically(_receipt_path(home, receipt.service, receipt.color, receipt.gate), receipt.model_dump_json(indent=1) + "\n")


def read_receipt(home: Path, service: str, color: Color, gate: GateName) -> Receipt | None:
    """The last receipt of a gate; None where there is none or it can't be read, since only evidence that can be read is evidence."""
    try:
        return Receipt.model_validate_json(_receipt_path(home, service, color, gate).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def read_record(home: Path, service: str) -> SplitRecord:
    """What earlier shifts of a service left; an empty record before the first. Raises Refusal for one that can't be read."""
    path = _record_path(home, service)
    try:
        return SplitRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return SplitRecord()
    except (OSError, ValidationError) as error:
        raise Refusal(
            str(path), f"a record that can't be read ({type(error).__name__})", "the record that the last shift wrote",
            "it says which color is proven and whether a shift is unfinished",
            "remove the file: the live weights are kept, and the next raise is gated anew",
        ) from error  # fmt: skip


def write_record(home: Path, service: str, record: SplitRecord) -> None:
    """Keep the record of a service. Raises OSError; the old one stays then."""
    write_atomically(_record_path(home, service), record.model_dump_json(indent=1) + "\n")


@contextlib.contextmanager
def shift_lock(home: Path, service: str) -> Iterator[None]:
    """Hold the right to shift one service. Raises BlockingIOError while another `up` does; the kernel frees it when its holder dies."""
    path = home / "services" / f".{service}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _receipt_path(home: Path, service: str, color: Color, gate: GateName) -> Path:
    return home / "receipts" / f"{service}-{color}-{gate}.json"


def _record_path(home: Path, service: str) -> Path:
    return home / "services" / f"{service}.json"
