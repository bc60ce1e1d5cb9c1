"""The official download: only what matches the published checksum is unpacked."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from toolchain import download_pulumi


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release of one file, with its checksums, behind a file address."""
    folder = tmp_path / "mirror"
    (folder / "pulumi").mkdir(parents=True)
    (folder / "pulumi" / "pulumi").write_text("#!/bin/sh\necho v9.9.9\n")
    archive = folder / download_pulumi.archive_name("9.9.9")
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder / "pulumi", "pulumi")
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    (folder / "pulumi-9.9.9-checksums.txt").write_text(f"{'0' * 64}  pulumi-v9.9.9-plan9-x64.tar.gz\n{checksum}  {archive.name}\n")
    monkeypatch.setenv("VERDIGRIS_PULUMI_MIRROR", folder.as_uri())
    return folder


def test_a_release_that_matches_its_checksum_is_unpacked(mirror: Path, tmp_path: Path) -> None:
    target = tmp_path / "cache" / "pulumi"
    assert download_pulumi.main(["fetch", "9.9.9", str(target)]) == 0
    assert (target / "bin" / "pulumi").read_text().endswith("v9.9.9\n")
    assert list(target.parent.iterdir()) == [target]


def test_a_release_that_does_not_match_leaves_nothing_behind(mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (mirror / download_pulumi.archive_name("9.9.9")).open("ab") as archive:
        archive.write(b"tampered")
    target = tmp_path / "cache" / "pulumi"
    assert download_pulumi.main(["fetch", "9.9.9", str(target)]) == 1
    assert "not used" in capsys.readouterr().err
    assert list(target.parent.iterdir()) == []


def test_a_release_without_a_checksum_for_this_machine_is_not_used(mirror: Path, tmp_path: Path) -> None:
    (mirror / "pulumi-9.9.9-checksums.txt").write_text("")
    assert download_pulumi.main(["fetch", "9.9.9", str(tmp_path / "cache" / "pulumi")]) == 1


def test_a_site_that_cannot_be_reached_is_one_line_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERDIGRIS_PULUMI_MIRROR", (tmp_path / "nowhere").as_uri())
    assert download_pulumi.main(["probe", "9.9.9"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
