"""The nginx, the engines and the script of the tutorial, driven from a bench. What is measured on them is benchmarks/tutorial.py's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.report import BenchFailed
from delivery.client_api import COLOR_HEADER
from probes.nginx_files import nginx_binary

_SCRIPT = Path(__file__).with_name("tutorial_deploy.sh")
_ROOT = _SCRIPT.parent.parent
_DEPLOY_SECONDS = 300.0


@dataclass
class TutorialPeer:
    """One deployment in `folder`: nginx on `base_port`, blue and green on the two ports above. A `with` block ends all of it."""

    folder: Path
    base_port: int

    @property
    def url(self) -> str:
        """Where clients send requests."""
        return f"http://127.0.0.1:{self.base_port}"

    @property
    def config_file(self) -> Path:
        """The file that the script edits to switch."""
        return self.folder / "nginx.conf"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "active").write_text("green\n")
        self.config_file.write_text(_nginx_conf(self.base_port))
        self._nginx = subprocess.Popen(
            [str(nginx_binary()), "-p", f"{self.folder}/", "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._nginx.terminate()
        self._nginx.wait(30)
        for file in self.folder.glob("*.pid"):
            with contextlib.suppress(ProcessLookupError, ValueError, FileNotFoundError):
                os.kill(int(file.read_text()), signal.SIGKILL)

    def deploy(self, flags: Sequence[str]) -> float:
        """Run the script with the engine's flags; returns its seconds. Raises BenchFailed with its output when it fails."""
        ports = [str(port) for port in (self.base_port + 1, self.base_port + 2, self.base_port)]
        began = time.monotonic()
        ran = subprocess.run(
            [str(_SCRIPT), str(self.folder), sys.executable, str(nginx_binary()), *ports, *flags],
            cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_DEPLOY_SECONDS, check=False,
        )  # fmt: skip
        if ran.returncode != 0:
            raise BenchFailed(f"the tutorial's script ended with {ran.returncode}: {ran.stdout[-800:]}")
        return time.monotonic() - began


def _nginx_conf(base_port: int) -> str:
    """As such tutorials have it; the color header is ours, to be able to measure."""
    return f"""\
pid master.pid;
worker_processes 2;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path body_temp;
  proxy_temp_path proxy_temp;
  fastcgi_temp_path fastcgi_temp;
  uwsgi_temp_path uwsgi_temp;
  scgi_temp_path scgi_temp;
  upstream llm {{ server 127.0.0.1:{base_port + 1}; }}
  map $upstream_addr $color {{
    127.0.0.1:{base_port + 1} blue;
    127.0.0.1:{base_port + 2} green;
  }}
  server {{
    listen 127.0.0.1:{base_port};
    location / {{
      proxy_pass http://llm;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
      add_header {COLOR_HEADER} $color;
    }}
  }}
}}
"""
