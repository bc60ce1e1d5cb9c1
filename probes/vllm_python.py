"""Which Python has vLLM: the one that the environment names, else the one that scripts/setup-vllm installed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from delivery.refusal import Refusal
from delivery.release import EngineKind

VARIABLE = "VERDIGRIS_VLLM_PYTHON"
SETUP = "scripts/setup-vllm"
_ASK_SECONDS = 30.0


def vllm_python(root: Path, kinds: Collection[EngineKind], where: str, environment: Mapping[str, str] = os.environ) -> str:
    """The interpreter for engines of these kinds; `where` names what needs it.

    vLLM for CUDA is the user's own: `python3` of whoever started supervisord unless the variable names another. vLLM for the CPU
    comes from scripts/setup-vllm. Raises Refusal when it was never installed. Costs nothing where no engine is a vLLM.
    """
    named = environment.get(VARIABLE)
    if named:
        return named
    if EngineKind.VLLM_CPU not in kinds:
        return "python3"
    answer = subprocess.run([root / SETUP, "--python"], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)
    python = answer.stdout.strip()
    if answer.returncode == 0 and python and os.access(python, os.X_OK):
        return python
    raise Refusal(
        where, "a release with engine: vllm-cpu and no vLLM on this machine", "one installed", "its engines start with it",
        f"run `{SETUP}` (once, several GB), or set {VARIABLE} to the Python that has it",
    )  # fmt: skip
