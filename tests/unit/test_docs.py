"""The documents are true to the code in what a program can check: paths exist, snippets parse, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.config import parse_config
from delivery.config_models import Target
from delivery.config_rules import BUILT_TARGETS

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted([ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + list((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
FOLDERS = "scripts|delivery|components|providers|probes|simulator|traffic|toolchain|releases|evals|tests|benchmarks|docs"
PATH = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]*\w|Pulumi\.(?:dev|prod)\.yaml|\.ci/run|__main__\.py)")
MADE_BY_THE_READER = {"releases/sort-good-3.yaml"}
TYPED_NOWHERE = {"docs/adr", "tests/e2e/docker"}
"""A folder may be named before it has files: git keeps no empty ones."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def yaml_snippets() -> list[tuple[str, str]]:
    return [(name_of(doc), text) for doc in DOCS for kind, text in FENCE.findall(doc.read_text(encoding="utf-8")) if kind == "yaml"]


@pytest.mark.parametrize("doc", DOCS, ids=name_of)
def test_every_path_and_script_that_a_document_names_exists(doc: Path) -> None:
    named = set(PATH.findall(doc.read_text(encoding="utf-8"))) - MADE_BY_THE_READER - TYPED_NOWHERE
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("doc", DOCS, ids=name_of)
def test_every_link_leads_somewhere(doc: Path) -> None:
    links = [link for link in LINK.findall(doc.read_text(encoding="utf-8")) if "://" not in link]
    assert sorted(link for link in links if not (doc.parent / link).exists()) == []


def test_there_are_config_snippets_to_check() -> None:
    assert any(name == "README.md" for name, _ in yaml_snippets())


@pytest.mark.parametrize(("doc", "text"), yaml_snippets())
def test_config_snippets_of_the_documents_are_legal(doc: str, text: str) -> None:
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    services = parse_config({key.removeprefix("verdigris:"): value for key, value in config.items()}).services
    releases = [pool.release for service in services.values() for pool in service.pools.values()]
    assert all((ROOT / release).is_file() for release in releases), f"{doc} names a release that isn't there"


def test_the_readme_says_which_targets_are_not_built() -> None:
    missing = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What it does not do yet")[2].partition("\n## ")[0]
    assert [target for target in Target if target not in BUILT_TARGETS and f"`{target}`" not in missing] == []


def test_the_decisions_are_numbered_without_gaps() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("doc", DOCS, ids=name_of)
def test_documents_name_no_folder_of_somebodys_machine(doc: Path) -> None:
    assert re.findall(r"/(?:home|root|work|Users)/\S*", doc.read_text(encoding="utf-8")) == []
