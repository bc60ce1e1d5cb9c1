"""What `scripts/pulumi` hands on to the CLI, with a CLI that only says what it got."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "pulumi"
SAYS_WHAT_IS_IGNORED = "#!/bin/sh\ngrep SigIgn /proc/self/status\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in a checkout that is set up."""
    for folder in ("scripts", ".venv/bin", ".pulumi", "cli"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    (tmp_path / ".pulumi/cli").write_text(f"{tmp_path}/cli\n")
    (tmp_path / "cli/pulumi").write_text(SAYS_WHAT_IS_IGNORED)
    (tmp_path / "cli/pulumi").chmod(0o755)
    return Path(shutil.copy(SCRIPT, tmp_path / "scripts"))


def test_a_run_in_the_background_does_not_ignore_what_pulumi_ends_its_plugins_with(script: Path) -> None:
    in_background = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for `command &`
    try:
        printed = subprocess.run([script, "up"], capture_output=True, text=True, check=True, timeout=60).stdout
    finally:
        signal.signal(signal.SIGINT, in_background)
    assert not int(printed.split()[-1], 16) & 1 << signal.SIGINT - 1
