"""Reading releases from disk: everything that belongs to one moves its digest, and every file problem names the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from delivery.config import parse_config
from delivery.refusal import Refusal, Refusals
from delivery.release_rules import pool_refusals
from probes.release_files import folder_digest, load_release

PROJECT = Path(__file__).resolve().parents[2]
FILE = "releases/a.yaml"
TEXT = "name: a\nengine: vllm-cpu\nmodel: ./models/good\nservedModelName: m\nchatTemplate: t.jinja\nprompts: p.yaml\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        FILE: TEXT,
        "t.jinja": "{{ messages }}",
        "p.yaml": "system: be brief",
        "models/good/config.json": "{}",
        "models/good/w/1.bin": "weights",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def refused(project: Path) -> str:
    with pytest.raises((Refusal, Refusals)) as caught:
        load_release(project, FILE)
    return str(caught.value)


def test_a_release_is_loaded_with_its_template(project: Path) -> None:
    loaded = load_release(project, FILE)
    assert (loaded.path, loaded.release.name, loaded.template_text) == (FILE, "a", "{{ messages }}")
    assert loaded == load_release(project, FILE)


@pytest.mark.parametrize("file", ["t.jinja", "p.yaml", "models/good/config.json", "models/good/w/1.bin", "models/good/new.bin"])
def test_a_change_in_any_file_of_a_release_is_another_release(project: Path, file: str) -> None:
    before = load_release(project, FILE).digest
    (project / file).write_text("changed")
    assert load_release(project, FILE).digest != before


def test_a_renamed_file_in_a_model_folder_is_another_release(project: Path) -> None:
    before = load_release(project, FILE).digest
    (project / "models/good/w/1.bin").rename(project / "models/good/w/2.bin")
    assert load_release(project, FILE).digest != before


def test_comments_and_hidden_files_are_no_part_of_a_release(project: Path) -> None:
    before = load_release(project, FILE).digest
    (project / FILE).write_text("# a comment\n" + TEXT)
    (project / "models/good/.cache").mkdir()
    (project / "models/good/.cache/lock").write_text("x")
    assert load_release(project, FILE).digest == before


def test_the_same_model_elsewhere_has_the_same_folder_digest(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "w").mkdir()
    (other / "w/1.bin").write_text("weights")
    (other / "config.json").write_text("{}")
    assert folder_digest(other) == folder_digest(project / "models/good")


@pytest.mark.parametrize("file", [FILE, "t.jinja", "p.yaml"])
def test_a_missing_file_is_named(project: Path, file: str) -> None:
    (project / file).unlink()
    assert f"got no file {file} under {project}" in refused(project)


def test_a_missing_model_folder_is_named(project: Path) -> None:
    (project / "models/good/config.json").unlink()
    assert f"{FILE} model: got './models/good', need a model folder with a config.json" in refused(project)


def test_a_folder_without_dot_slash_is_not_looked_for_on_the_hub(project: Path) -> None:
    revision = "a" * 40
    (project / FILE).write_text(TEXT.replace("./models/good", f"models/good\nrevision: {revision}"))
    assert "write `model: ./models/good`" in refused(project)


def test_an_absolute_model_folder_is_read(project: Path) -> None:
    (project / FILE).write_text(TEXT.replace("./models", f"{project}/models"))
    assert load_release(project, FILE).release.model_is_folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\nengine: [", "releases/a.yaml:2: got YAML that can't be read"),
        ("name: a\n\tengine: x", "releases/a.yaml:2: got YAML"),
        ("name: a\nname: b\n", "releases/a.yaml:2: got YAML that can't be read (the key 'name' stands there twice)"),
        ("name: a\nx: !!python/object:os.system {}\n", "releases/a.yaml:2: got YAML"),
        ("a: &a [*a]\n", "releases/a.yaml"),
        ("name: 2026-13-45\n", "releases/a.yaml"),
        ("? [1, 2]\n: 3\n", "releases/a.yaml"),
        ("", "need a map"),
        ("- a\n", "need a map"),
    ],
)
def test_bad_yaml_is_refused_with_its_line(project: Path, text: str, expected: str) -> None:
    (project / FILE).write_text(text)
    message = refused(project)
    assert expected in message
    assert " because " in message


def test_bytes_that_are_no_text_are_refused(project: Path) -> None:
    (project / FILE).write_bytes(b"name: \xff\xfe")
    assert "no UTF-8" in refused(project)


@pytest.mark.parametrize("path", ["/etc/passwd", "../a.yaml", "~/a.yaml"])
def test_a_release_outside_the_project_is_refused(project: Path, path: str) -> None:
    with pytest.raises(Refusal, match="inside the project"):
        load_release(project, path)


EXAMPLES = sorted(path.relative_to(PROJECT).as_posix() for path in (PROJECT / "releases").glob("*.yaml"))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's releases beside stand-ins for the models that scripts/make-models trains: a fresh clone has none yet."""
    root = tmp_path_factory.mktemp("examples")
    shutil.copytree(PROJECT / "releases", root / "releases")
    for name in ("good", "under-trained"):
        (root / "models" / name).mkdir(parents=True)
        (root / "models" / name / "config.json").write_text(name)
    return root


@pytest.mark.parametrize("path", EXAMPLES)
def test_every_example_release_loads(path: str, examples: Path) -> None:
    assert load_release(examples, path).release.served_name


def test_the_examples_are_different_releases(examples: Path) -> None:
    assert len({load_release(examples, path).digest for path in EXAMPLES}) == len(EXAMPLES) >= 4


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_stack_file_is_a_good_config_of_good_releases(stack: str) -> None:
    stated = yaml.safe_load((PROJECT / f"Pulumi.{stack}.yaml").read_text())["config"]
    raw = {key.removeprefix("verdigris:"): value for key, value in stated.items() if key != "verdigris:apiKey"}
    # `pulumi config set` writes a number on the top level as text, and the program reads it back.
    config = parse_config({key: int(value) if isinstance(value, str) and value.isdigit() else value for key, value in raw.items()})
    for name, service in config.services.items():
        loaded = {color: load_release(PROJECT, pool.release).release for color, pool in service.pools.items()}
        assert len({release.served_name for release in loaded.values()}) == 1
        for color, pool in service.pools.items():
            assert pool_refusals(f"services.{name}.{color}", pool, loaded[color]) == []
        assert service.gates.warmup is not None
        assert service.gates.eval is not None
        assert (PROJECT / service.gates.warmup.prompts).is_file()
        assert (PROJECT / service.gates.eval.set).is_file()
