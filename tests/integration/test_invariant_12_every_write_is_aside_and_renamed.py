"""Invariant 12: everything written to disk is written aside and renamed, so a full disk leaves the old text and a reader sees no half."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from delivery.color import Color, Weights
from delivery.receipt import GateName, Receipt, Verdict
from delivery.split_record import SplitRecord
from delivery.topology import Pool, ServiceRoute, Topology
from probes import programs
from probes.answers import save_answers
from probes.atomic_file import write_atomically
from probes.receipts import write_receipt, write_record
from probes.router_files import write_routes, write_topology
from probes.stack_home import StackHome
from probes.supervisor_conf import ProgramSpec
from tests.fakes.stack_faults import SmallDisk, small_disk

ROOT = Path(__file__).resolve().parents[2]
WRITERS = ("topology", "routes", "record", "receipt", "answers", "program", "secret")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A home on a file system of its own."""
    with small_disk(tmp_path / "home", 512) as disk:
        yield disk


def topology(port: int) -> Topology:
    """One service on two pools."""
    pools = {color: Pool(release=color.value, engines=(f"127.0.0.1:{port + place}",)) for place, color in enumerate(Color)}
    route = ServiceRoute(name="chat", served_model="sorter", blue=pools[Color.BLUE], green=pools[Color.GREEN])
    return Topology(router_host="127.0.0.1", router_port=port + 2, admin_port=port + 3, forced_color_secret="s", services=(route,))


def writers(home: Path) -> dict[str, Callable[[int], object]]:
    """Everything that writes below a home, each called with 1 for the first text and 2 for another."""
    spec = {turn: ProgramSpec(("true", str(turn)), str(home), {}, {}, "", str(turn)) for turn in (1, 2)}

    def receipt(turn: int) -> Receipt:
        return Receipt(gate=GateName.EVAL, service="chat", color=Color.BLUE, release=str(turn), engines=("e@1",), verdict=Verdict.PASS,
                       reason="right", measured_at="2026-11-21T10:00:00+00:00", samples=1, numbers={})  # fmt: skip

    return {
        "topology": lambda turn: write_topology(home, topology(40 * turn)),
        "routes": lambda turn: write_routes(home, "chat", Weights(100 - turn, turn)),
        "record": lambda turn: write_record(home, "chat", SplitRecord(weights=Weights(100 - turn, turn))),
        "receipt": lambda turn: write_receipt(home, receipt(turn)),
        "answers": lambda turn: save_answers(home / "answers", "release", "set", {"item": str(turn)}),
        "program": lambda turn: write_program(StackHome(home), spec[turn]),
        "secret": lambda turn: write_atomically(home / "secrets" / "engine-key", str(turn), 0o600),
    }


def write_program(home: StackHome, spec: ProgramSpec) -> None:
    """Both files of a program."""
    write_atomically(home.program_spec("chat-blue-0"), spec.to_json(), 0o600)
    programs.write_conf(home, "chat-blue-0", 10 + int(spec.fingerprint))


def texts(home: Path) -> dict[Path, bytes]:
    """Every file below the home, without locks and without what fills the disk."""
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name != ".ballast" and "lock" not in path.name}


@pytest.mark.parametrize("writer", WRITERS)
def test_invariant_12_a_full_disk_leaves_every_file_as_it_was_and_nothing_beside_it(disk: SmallDisk, writer: str) -> None:
    every = writers(disk.folder)
    assert tuple(every) == WRITERS
    for write in every.values():
        write(1)
    before = texts(disk.folder)
    with disk.full():
        with pytest.raises(OSError, match=f"No space left on device: '{disk.folder}"):
            every[writer](2)
        assert texts(disk.folder) == before
    every[writer](2)
    assert texts(disk.folder) != before


def test_invariant_12_a_reader_sees_the_old_text_or_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "routes.json"
    versions = ["a" * 300_000, "b" * 200_000]
    write_atomically(file, versions[0])
    stop = threading.Event()
    seen: set[str] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(file.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(200):
            write_atomically(file, versions[turn % 2])
    finally:
        stop.set()
        reader.join()
    assert seen <= set(versions), {len(text) for text in seen}


ALLOWED = {
    ("probes/atomic_file.py", "fdopen"): "the aside itself",
    ("probes/nginx_files.py", "write_text"): "a folder of its own that nginx only checks",
    ("probes/nginx_files.py", "touch"): "the same",
    ("probes/supervisor.py", "open"): "a lock without content, and supervisord's own log",
}
"""Writes that need no rename, and why."""


def test_invariant_12_no_other_code_writes_in_place() -> None:
    found = {
        (str(file.relative_to(ROOT)), name)
        for folder in ("delivery", "components", "providers", "probes")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for name in in_place_writes(ast.parse(file.read_text()))
    }
    assert found <= set(ALLOWED), found - set(ALLOWED)


def in_place_writes(tree: ast.Module) -> Iterator[str]:
    """The names of calls that write to a file under its own name."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        modes = [each.value for each in [*call.args, *(key.value for key in call.keywords)] if isinstance(each, ast.Constant)]
        if name in ("write_text", "write_bytes", "touch") or (
            name in ("open", "fdopen") and any(isinstance(mode, str) and set(mode) & set("wax+") and len(mode) <= 3 for mode in modes)
        ):
            yield name
