"""Which files of this machine a container image needs: a program, its shared libraries, and for the simulator a Python with packages.

Only decides and reads; making the image is make_images.py's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from probes.envoy_router import envoy_binary
from probes.nginx_files import nginx_binary

ROOT = Path(__file__).resolve().parent.parent
SIMULATOR_PACKAGE = "aiohttp"
"""What the simulator imports besides the standard library; what that needs comes with it."""

_LIBRARIES = "usr/lib/verdigris"
"""Where libraries go that don't lie in a folder the loader searches (a Python of its own); named in LD_LIBRARY_PATH."""

_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_LEFT_OUT = {"test", "tests", "idlelib", "ensurepip", "tkinter", "turtledemo", "lib2to3", "site-packages", "dist-packages", "__pycache__"}

Files = dict[str, Path]
"""Path in the image, without a leading slash -> file of this machine, links followed."""


def simulator_files() -> Files:
    """Python, the simulator's code and packages, and a shell for entry points."""
    python = Path(sys.executable).resolve()
    files: Files = {"usr/local/bin/python3": python, "bin/sh": Path(shutil.which("sh") or "/bin/sh").resolve()}
    for key in ("stdlib", "platstdlib"):
        files |= _tree(Path(sysconfig.get_path(key, vars=_base())), f"usr/local/lib/{_PYTHON}")
    for name in sorted(_packages(SIMULATOR_PACKAGE)):
        files |= _package_files(name)
    files |= _tree(ROOT / "simulator", "opt/verdigris/simulator")
    return files | libraries([python, files["bin/sh"], *(file for name, file in files.items() if name.endswith(".so"))])


def envoy_files() -> Files:
    """Envoy's binary."""
    binary = envoy_binary()
    return {"usr/local/bin/envoy": binary} | libraries([binary])


def nginx_files() -> Files:
    """nginx's binary; its configuration is mounted."""
    binary = nginx_binary().resolve()
    return {"usr/sbin/nginx": binary} | libraries([binary])


def libraries(binaries: Iterable[Path]) -> Files:
    """The shared libraries of programs and of other libraries, as `ldd` finds them here."""
    found: Files = {}
    paths = sorted({str(binary) for binary in binaries})
    listed = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=False).stdout
    for path in sorted(set(re.findall(r"(/[^\s:]+\.so[^\s:]*) \(0x", listed))):
        searched = path.startswith(("/lib", "/usr/lib"))
        found[path.lstrip("/") if searched else f"{_LIBRARIES}/{Path(path).name}"] = Path(path).resolve()
    return found


def _base() -> dict[str, str]:
    return {"base": sys.base_prefix, "platbase": sys.base_exec_prefix, "installed_base": sys.base_prefix}


def _tree(folder: Path, target: str) -> Files:
    return {f"{target}/{path.relative_to(folder)}": path.resolve() for path in _walk(folder)}


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT or path.name.startswith("config-"):
            continue
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield path


def _packages(name: str) -> set[str]:
    """A package and everything that it needs here."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop().lower().replace("_", "-")
        if each in found:
            continue
        try:
            needs = metadata.requires(each) or []
        except metadata.PackageNotFoundError:
            continue  # needed on other platforms or versions only
        found.add(each)
        waiting += [match.group() for need in needs if "extra ==" not in need and (match := re.match(r"[A-Za-z0-9._-]+", need))]
    return found


def _package_files(name: str) -> Files:
    files: Files = {}
    for file in metadata.files(name) or []:
        source = Path(str(file.locate()))
        if "__pycache__" not in file.parts and ".." not in file.parts and source.is_file():
            files[f"usr/local/lib/{_PYTHON}/site-packages/{file}"] = source
    return files
