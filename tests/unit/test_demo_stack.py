"""Where the demo keeps its stack: one demo at a time, taken ports named, a file that makes pasted commands work, only its own removed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from delivery.refusal import Refusal
from probes.ports import Listener
from scripts import demo_stack


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / ".verdigris" / "demo"
    monkeypatch.setattr(demo_stack, "FOLDER", folder)
    return folder


@pytest.mark.usefixtures("folder")
def test_a_second_demo_in_the_same_checkout_is_refused_while_one_works() -> None:
    with demo_stack.only_one(), pytest.raises(Refusal, match="another one at work"), demo_stack.only_one():
        pass
    with demo_stack.only_one():
        pass


@pytest.mark.parametrize("taken", [12000, 12001, 12020, 12070])
def test_a_taken_port_is_named_with_its_owner_and_a_way_out(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_stack, "listeners", lambda ports: [Listener(port, 7, "nginx") for port in ports if port == taken])
    with pytest.raises(Refusal) as refused:
        demo_stack.refuse_taken_ports(12000)
    assert f"port {taken} taken by pid 7 (nginx)" in str(refused.value)
    assert "scripts/demo --port 12200" in str(refused.value)
    demo_stack.refuse_taken_ports(12200)


def test_the_file_to_source_survives_a_folder_with_a_space_and_a_quote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it's a checkout" / "demo"
    monkeypatch.setattr(demo_stack, "FOLDER", folder)
    folder.mkdir(parents=True)
    (folder / "env").write_text(demo_stack._exports({"VERDIGRIS_VLLM_PYTHON": "/a b/python"}))
    said = subprocess.run(
        ["bash", "-c", 'source "$1" && echo "$VERDIGRIS_HOME|$PULUMI_STACK|$VERDIGRIS_VLLM_PYTHON"', "bash", str(folder / "env")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said.strip() == f"{folder / 'home'}|demo|/a b/python"


def test_removing_leaves_what_is_not_the_demos(folder: Path) -> None:
    for part in ("state", "home"):
        (folder / part).mkdir(parents=True)
    (folder / "env").write_text("")
    (folder / "supervisord.conf").write_text("of someone's own stack called demo")
    assert demo_stack.is_there()
    demo_stack.remove(lambda _text: None)
    assert [path.name for path in folder.iterdir()] == ["supervisord.conf"]
    assert not demo_stack.is_there()


def test_removing_the_last_of_it_removes_the_folder(folder: Path) -> None:
    (folder / "state").mkdir(parents=True)
    demo_stack.remove(lambda _text: None)
    assert not folder.exists()
