"""Real routers and tiny engines as child processes of a test, on free ports of loopback."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx

from delivery.color import Color
from delivery.config_models import RouterKind
from delivery.envoy_bootstrap import command
from delivery.nginx_config import command as nginx_command
from delivery.topology import Pool, ServiceRoute, Topology
from probes.envoy_router import envoy_binary
from probes.nginx_files import nginx_binary

DEADLINE_SECONDS = 60.0
SECRET = "open-sesame"
ROOT = Path(__file__).resolve().parents[2]
_FIRST_PORT, _PORTS_OF_A_WORKER = 20_200, 50


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on."""
    found: list[int] = []
    first = _FIRST_PORT + _PORTS_OF_A_WORKER * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4)
    for port in random.sample(range(first, first + _PORTS_OF_A_WORKER), _PORTS_OF_A_WORKER):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports for the test")


def wait_until(holds: Callable[[], bool], what: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Poll until it holds; fail with `what` past the deadline."""
    ends = time.monotonic() + deadline_seconds
    while not holds():
        assert time.monotonic() < ends, f"not within {deadline_seconds:g} s: {what}"
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether a server answers 200 there."""
    try:
        return httpx.get(url, timeout=5.0, trust_env=False, verify=False).status_code == 200
    except httpx.HTTPError:
        return False


class Child:
    """A process that ends with the test."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        with log.open("ab") as output:
            self.process = subprocess.Popen(list(arguments), stdout=output, stderr=output, cwd=ROOT, env=environment)

    def kill(self) -> None:
        """SIGKILL: connections are reset."""
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what ignores it."""
        self.process.terminate()
        try:
            self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


class Engine(Child):
    """A tiny engine in a process of its own."""

    def __init__(self, name: str, port: int, log: Path) -> None:
        super().__init__([sys.executable, "-m", "tests.fakes.tiny_engine", "--port", str(port), "--name", name], log)
        self.address = f"127.0.0.1:{port}"
        wait_until(lambda: answers(f"http://{self.address}/health"), f"the engine {name} answers")

    @property
    def asked(self) -> int:
        """How many requests reached it, health checks apart."""
        return int(httpx.get(f"http://{self.address}/asked", timeout=DEADLINE_SECONDS, trust_env=False, verify=False).json())

    def set_fault(self, **faults: bool) -> None:
        """Set its faults; those that aren't named end."""
        httpx.post(f"http://{self.address}/fault", json=faults, timeout=DEADLINE_SECONDS, trust_env=False, verify=False).raise_for_status()


class World:
    """Engines and a router of one test, in a folder. Use it as a context: it ends what it started."""

    def __init__(self, folder: Path, kind: RouterKind = RouterKind.ENVOY) -> None:
        self.folder = folder
        self.kind = kind
        self.home = folder / "home"
        self.router_port, self.admin_port, *self._engine_ports = free_ports(8)  # all at once: nobody listens on them yet
        self.engines: dict[str, Engine] = {}
        self.scheme = "http"
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.router_port}"

    def engine(self, name: str) -> Engine:
        """Start an engine."""
        engine = Engine(name, self._engine_ports.pop(), self.folder / f"{name}.log")
        self._stack.callback(engine.stop)
        self.engines[name] = engine
        return engine

    def pool(self, release: str, *names: str) -> Pool:
        """A pool of engines, each started if it wasn't."""
        return Pool(release=release, engines=tuple((self.engines.get(name) or self.engine(name)).address for name in names))

    def topology(self, *services: ServiceRoute, **more: object) -> Topology:
        """A topology of this world's ports; `more` are other fields of it."""
        topology = Topology(
            kind=self.kind,
            router_host="127.0.0.1",
            router_port=self.router_port,
            admin_port=self.admin_port,
            forced_color_secret=SECRET,
            services=services,
        )
        self.scheme = "https" if more.get("tls") else "http"
        return topology.model_copy(update=more)

    @property
    def access_log(self) -> Path:
        """Where the router's lines for each request are; Envoy writes them to its standard output."""
        return self.home / "router" / "access.log" if self.kind is RouterKind.NGINX else self.folder / "router.log"

    def router(self) -> Child:
        """Start the router of this world's kind."""
        return self.nginx() if self.kind is RouterKind.NGINX else self.envoy()

    def envoy(self) -> Child:
        """Start Envoy on the files of this home."""
        return self._router(command(str(envoy_binary()), str(self.home / "router"), 2))

    def nginx(self) -> Child:
        """Start nginx on the files of this home."""
        return self._router(nginx_command(str(nginx_binary()), str(self.home / "router")))

    def _router(self, arguments: list[str]) -> Child:
        log = self.folder / "router.log"
        child = Child(arguments, log)
        self._stack.callback(child.stop)
        wait_until(lambda: answers(f"{self.url}/health") or child.process.poll() is not None, "the router answers")
        assert child.process.poll() is None, log.read_text()
        return child


def two_colors(world: World, **more: str) -> ServiceRoute:
    """The service `chat` with one engine of each color, named like the color."""
    return ServiceRoute(name="chat", blue=world.pool("release-b", "blue"), green=world.pool("release-g", "green"), **more)


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """A world that ends with the block."""
    with World(folder) as it:
        yield it


def forced(color: Color, secret: str = SECRET) -> dict[str, str]:
    """The headers that force a color."""
    return {"x-verdigris-color": color.value, "x-verdigris-secret": secret}
