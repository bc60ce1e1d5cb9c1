"""What the one on call types to see and restart programs while there is no Pulumi at hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from probes import supervisor
from probes.stack_home import StackHome


@pytest.mark.parametrize("name", ["plain", "100% of # it", "x" * 120])
def test_supervisorctl_reaches_the_daemon_from_any_folder_with_its_file_alone(tmp_path: Path, name: str) -> None:
    home = StackHome(tmp_path / name)
    supervisor.start(home)
    try:
        asked = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(home.supervisor_conf), "pid"]
        answer = subprocess.run(asked, cwd="/", capture_output=True, text=True, timeout=60, check=False)
        assert answer.stdout.strip() == str(supervisor.daemon_pid(home)), answer.stdout + answer.stderr
    finally:
        supervisor.shutdown(home, 30)
