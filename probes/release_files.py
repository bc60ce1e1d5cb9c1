"""Reads a release file and everything that belongs to the release: chat template, prompts, a local model folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from delivery.project_paths import path_problem
from delivery.refusal import Refusal, Refusals
from delivery.release import Release, release_digest
from delivery.release_parsing import parse_release

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class LoadedRelease:
    """A release with the digest over all its contents. `path` is the file as the config names it, `template_text` its chat template."""

    path: str
    release: Release
    digest: str
    template_text: str | None = None


def load_release(root: Path, path: str) -> LoadedRelease:
    """Read a release; `root` is the project's folder and `path` relative to it.

    Raises Refusal for a file that is missing, unreadable, outside the project or no YAML, Refusals for what is wrong inside it.
    A model folder is read whole, in chunks: seconds for each 10 GB.
    """
    problem = path_problem(path)
    if problem:
        raise Refusal(path, repr(path), "a path inside the project, from its root", f"this one {problem}", "move the file into releases/")
    release = parse_release(_yaml(_read(root, path, path, "the config names it as a release"), path), path)
    contents = {file: _digest_of(_read(root, file, path, "the release names it")) for file in release.files}
    if release.engine.is_vllm and release.model is not None:
        contents |= _model_contents(root, release, path)
    template = None if release.chat_template is None else _text(_read(root, release.chat_template, path, ""), release.chat_template)
    return LoadedRelease(path, release, release_digest(release, contents), template)


def folder_digest(folder: Path) -> str:
    """SHA-256 over the sorted relative paths of a folder's files and their contents; hidden files and folders don't count."""
    whole = hashlib.sha256()
    for file in sorted(_visible_files(folder), key=lambda file: file.relative_to(folder).as_posix()):
        with file.open("rb") as opened:
            one = hashlib.sha256()
            while chunk := opened.read(CHUNK_BYTES):
                one.update(chunk)
        whole.update(f"{file.relative_to(folder).as_posix()}\0{one.hexdigest()}\n".encode())
    return whole.hexdigest()


def _visible_files(folder: Path) -> list[Path]:
    return [
        file for file in folder.rglob("*") if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _model_contents(root: Path, release: Release, path: str) -> dict[str, str]:
    model = release.model or ""
    folder = root / model
    if not release.model_is_folder:
        if folder.is_dir():
            raise Refusal(
                f"{path} model",
                repr(model),
                "./ in front of a folder",
                "without it vLLM may fetch a model of that name from the hub",
                f"write `model: ./{model}`",
            )
        return {}
    if not (folder / "config.json").is_file():
        raise Refusal(
            f"{path} model",
            repr(model),
            "a model folder with a config.json",
            f"{folder} is none",
            "check the path; scripts/make-models makes the tiny models under ./models",
        )
    try:
        return {model: folder_digest(folder)}
    except OSError as error:
        raise Refusal(
            f"{path} model",
            f"a folder that can't be read ({error})",
            "a readable one",
            "its contents belong to the release",
            "check its permissions",
        ) from None


def _read(root: Path, file: str, named_by: str, because: str) -> bytes:
    try:
        return (root / file).read_bytes()
    except FileNotFoundError:
        raise Refusal(named_by, f"no file {file} under {root}", "one that exists", because, "check the name, or create it") from None
    except OSError as error:
        raise Refusal(named_by, f"{file}, which can't be read ({error.strerror})", "a readable file", because, "check it") from None


def _text(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(
            path, f"a byte that is no UTF-8 at {error.start}", "UTF-8 text", "that is how it is read", "save it as UTF-8"
        ) from None


def _yaml(content: bytes, path: str) -> Any:
    try:
        return yaml.load(_text(content, path), Loader=_StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else path
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise Refusal(where, f"YAML that can't be read ({problem})", "valid YAML", "a release is a YAML map", "mend that line") from None
    except (ValueError, RecursionError) as error:
        raise Refusals([Refusal(path, f"YAML that can't be read ({error})", "valid YAML", "a release is a YAML map", "mend it")]) from None


def _digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _StrictLoader(yaml.SafeLoader):
    """Of two equal keys YAML's usual loader keeps the last and says nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} stands there twice", key.start_mark)
            seen.add(key.value if isinstance(key.value, str) else id(key))
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping
