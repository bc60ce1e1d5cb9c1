"""The checks that run no code of ours: ruff, mypy --strict, the direction of imports, the length of files.

Owns which checks there are; their settings are in pyproject.toml. Prints a line for each, and its output when it fails.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE_LINES = 300
TOOLS = {
    "ruff": ("ruff", "check", "."),
    "mypy": ("mypy",),
    "imports": ("lint-imports",),
}


def tracked_python_files() -> list[Path]:
    """What git tracks; without git (an unpacked archive) every Python file outside hidden folders."""
    listed = subprocess.run(["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    return [path for path in ROOT.rglob("*.py") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]


def too_long() -> list[str]:
    """One line for each Python file that is longer than a reader keeps in mind."""
    found = []
    for path in tracked_python_files():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_FILE_LINES:
            found.append(
                f"{path.relative_to(ROOT)}: got {lines} lines, need at most {LONGEST_FILE_LINES}; split it by what changes together"
            )
    return found


def run_tool(command: tuple[str, ...]) -> str:
    """The tool's output when it found something, else nothing."""
    done = subprocess.run([Path(sys.executable).parent / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"exit code {done.returncode}"


def main() -> int:
    """Runs every check even when an earlier one found something; the last line counts them."""
    found = {name: run_tool(command) for name, command in TOOLS.items()}
    found["file length"] = "\n".join(too_long())
    for name, output in found.items():
        print(f"{name}: {'clean' if not output else 'FAILED'}", flush=True)
        if output:
            print(output, flush=True)
    failed = [name for name, output in found.items() if output]
    print(f"{len(found) - len(failed)} of {len(found)} checks passed" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
