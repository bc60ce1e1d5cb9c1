"""Which Python starts vLLM engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.refusal import Refusal
from delivery.release import EngineKind
from probes.vllm_python import SETUP, VARIABLE, vllm_python


def checkout(root: Path, says: str) -> Path:
    """A project whose scripts/setup-vllm prints this."""
    script = root / SETUP
    script.parent.mkdir(parents=True)
    script.write_text(f"#!/bin/sh\necho {says}\n")
    script.chmod(0o755)
    return root


def test_the_environment_names_it_before_anything_else(tmp_path: Path) -> None:
    assert vllm_python(tmp_path, EngineKind, "services.chat", {VARIABLE: "/opt/python"}) == "/opt/python"


def test_without_a_name_vllm_on_the_cpu_starts_with_the_installed_one(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.touch(0o755)
    assert vllm_python(checkout(tmp_path, str(python)), {EngineKind.VLLM_CPU}, "services.chat", {}) == str(python)


def test_vllm_on_the_cpu_that_was_never_installed_is_refused_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        vllm_python(checkout(tmp_path, str(tmp_path / "nothing")), {EngineKind.VLLM_CPU}, "services.chat", {})
    for word in ("services.chat", "run `scripts/setup-vllm`", VARIABLE):
        assert word in str(refusal.value)


def test_other_engines_ask_nobody(tmp_path: Path) -> None:
    """There is no scripts/setup-vllm to ask."""
    assert vllm_python(tmp_path, {EngineKind.SIMULATOR}, "services.chat", {}) == "python3"
    assert vllm_python(tmp_path, {EngineKind.VLLM}, "services.chat", {}) == "python3"
