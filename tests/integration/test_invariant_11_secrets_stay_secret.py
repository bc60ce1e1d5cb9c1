"""Invariant 11: secrets are Pulumi secrets. With an API key, its value is looked for wherever it must not be."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.color import Color, Weights
from probes import own_processes, programs
from scripts.stack_driver import StackDriver
from tests.fakes.live_stack import engine_port, live, live_stack, must, refused
from tests.fakes.stack_faults import program

KEY, OTHER_KEY = "sk-verdigris-7Hq2mZ9tXw4c", "sk-verdigris-another-5Rk8vN"
ALL_BLUE = Weights(100, 0)


class CommandLines:
    """Looks at the arguments of every process on the machine, over and over, from the entry of a block to its exit."""

    def __init__(self, secret: str) -> None:
        self.found: set[str] = set()
        self.looked = 0
        self._secret, self._stop = secret.encode(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> CommandLines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    line = Path(f"/proc/{pid}/cmdline").read_bytes()
                    if self._secret in line:
                        self.found.add(line.replace(b"\0", b" ").decode(errors="replace"))
            self.looked += 1
            self._stop.wait(0.05)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StackDriver, str, CommandLines]]:
    """A stack whose engines want a key, everything that its first preview and `up` printed, and the command lines seen meanwhile."""
    with live_stack(tmp_path_factory.mktemp("eleven"), secrets={"apiKey": KEY}, destroy=True) as stack:
        with CommandLines(KEY) as lines:
            printed = must(stack.preview("--diff")).output + must(stack.up()).output
        yield stack, printed, lines


def status(port: int, key: str | None) -> int:
    """The status of a completion asked for with a key, or without one."""
    body = json.dumps({"model": "sorter", "messages": [{"role": "user", "content": "sort 21"}]}).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as got:
            return int(got.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def holders(folder: Path, secret: str) -> set[str]:
    """The files below a folder in which the secret stands."""
    found = set()
    for file in folder.rglob("*"):
        if file.is_file() and secret.encode() in file.read_bytes():
            found.add(str(file.relative_to(folder)))
    return found


def test_invariant_11_the_key_is_in_no_output_argument_log_receipt_or_state(keyed: tuple[StackDriver, str, CommandLines]) -> None:
    stack, printed, lines = keyed
    assert KEY not in printed
    assert KEY not in must(stack.preview("--diff")).output + must(stack.up("--diff")).output
    assert lines.looked > 0
    assert not lines.found
    assert holders(stack.folder, KEY) == {f"home/{stack.name}/secrets/engine-key"}
    assert stack.home.engine_key.stat().st_mode & 0o777 == 0o600
    assert KEY not in must(stack.run("stack", "export", "--stack", stack.name)).output


def test_invariant_11_only_engines_have_the_key_in_their_environment(keyed: tuple[StackDriver, str, CommandLines]) -> None:
    stack, _, _ = keyed
    running = own_processes.find(stack.home.path)
    having = {name for pid, name in running.items() if KEY.encode() in Path(f"/proc/{pid}/environ").read_bytes()}
    assert having == {program(Color.BLUE), program(Color.GREEN)}


def test_invariant_11_engines_and_router_refuse_who_has_no_key(keyed: tuple[StackDriver, str, CommandLines]) -> None:
    stack, _, _ = keyed
    for port in (engine_port(stack, Color.BLUE), engine_port(stack, Color.GREEN), int(stack.config["basePort"])):
        assert [status(port, key) for key in (None, OTHER_KEY, KEY)] == [401, 401, 200]


@pytest.mark.parametrize(("change", "got"), [((OTHER_KEY,), "another key"), ((), "no key")])
def test_invariant_11_another_key_is_refused_at_preview_while_engines_carry_traffic(
    keyed: tuple[StackDriver, str, CommandLines], change: tuple[str, ...], got: str
) -> None:
    stack, _, _ = keyed
    engines = [programs.status(stack.home, program(color)).pid for color in Color]
    where = ("--stack", stack.name, "--config-file", str(stack.config_file))
    text = stack.config_file.read_text()
    try:
        must(stack.run("config", "set", "--secret", "verdigris:apiKey", *change, *where) if change
             else stack.run("config", "rm", "verdigris:apiKey", *where))  # fmt: skip
        for ran in (stack.preview(), stack.up()):
            refused(ran, f"apiKey: got {got}", "blue (100 %)", "deploy a second stack")
            assert KEY not in ran.output
            assert OTHER_KEY not in ran.output
    finally:
        stack.config_file.write_text(text)
    assert [programs.status(stack.home, program(color)).pid for color in Color] == engines
    assert live(stack) == ALL_BLUE
    assert status(int(stack.config["basePort"]), KEY) == 200


def test_invariant_11_a_key_that_is_no_secret_is_refused_without_showing_it(keyed: tuple[StackDriver, str, CommandLines]) -> None:
    stack, _, _ = keyed
    where = ("--stack", stack.name, "--config-file", str(stack.config_file))
    text = stack.config_file.read_text()
    try:
        must(stack.run("config", "set", "verdigris:apiKey", OTHER_KEY, "--plaintext", *where))
        ran = refused(stack.run("preview", *where), "apiKey: got a plain value", "--secret")
        assert OTHER_KEY not in ran.output
    finally:
        stack.config_file.write_text(text)
