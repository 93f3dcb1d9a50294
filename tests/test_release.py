"""The version stands in one place, and the archive of a release is checked (rung: pure; a git of its own)."""

from __future__ import annotations

import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from harmony.config.version import VERSION
from tests import release

ROOT = Path(__file__).resolve().parent.parent


def test_code_project_and_changelog_agree_on_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert list(release.problems_of_changelog(changes)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("## Unreleased\n\n### Added\n", "Unreleased has no Action needed"),
        (f"## {VERSION}\n### Action needed\n\n## 0.0.9\n### Fixed\n", "0.0.9 has no Action needed"),
        ("## 9.9.9\n\n### Action needed\n", f"does not begin with {VERSION}"),
    ],
)
def test_a_changelog_that_lacks_something_is_refused(text: str, problem: str) -> None:
    assert any(problem in found for found in release.problems_of_changelog(text))


def test_the_version_is_at_the_foot_of_pages_for_those_who_signed_in_only(
    signed_in: FlaskClient, client: FlaskClient
) -> None:
    assert f"Harmony {VERSION}" in signed_in.get("/devices").text


def test_strangers_see_no_version_on_the_sign_in_page(client: FlaskClient) -> None:
    assert f"Harmony {VERSION}" not in client.get("/sign-in").text


def packed(folder: Path, *names: str) -> Path:
    archive = folder / "archive.tar.gz"
    empty = folder / "empty"
    empty.touch()
    with tarfile.open(archive, "w:gz") as made:
        for name in names:
            made.add(empty, f"harmony-{VERSION}/{name}")
    return archive


def test_an_archive_that_lacks_a_file_or_has_a_key_is_refused(tmp_path: Path) -> None:
    names = release.NEEDED - {"LICENSE"} | {"instance/vault.keys"}
    assert release.problems_of(packed(tmp_path, *names)) == [
        "The archive lacks LICENSE.",
        "The archive has instance/vault.keys.",
    ]


def test_an_archive_of_empty_files_does_not_start(tmp_path: Path) -> None:
    [problem] = release.problems_of(packed(tmp_path, *release.NEEDED))
    assert problem.startswith("The unpacked archive does not start")


def test_the_archive_of_these_files_is_built_and_starts(tmp_path: Path) -> None:
    source = tmp_path / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for command in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "all")):
        subprocess.run(["git", *command], cwd=source, check=True)
    assert release.problems_of(release.build(source, tmp_path / "dist")) == []


def test_the_sum_beside_a_released_file_is_one_that_sha256sum_checks(tmp_path: Path) -> None:
    file = tmp_path / "harmony.tar.gz"
    file.write_bytes(b"x" * 1000)
    release.finish(file)
    checked = subprocess.run(["sha256sum", "-c", f"{file.name}.sha256"], cwd=tmp_path, check=False)
    assert checked.returncode == 0
