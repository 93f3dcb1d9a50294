"""A container whose only writable folder is the data folder (rung M): nothing else is written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.product import DEMO, ROOT, running

pytestmark = pytest.mark.processes

# What Python tries in turn; a read-only root refuses all of them, to root as well.
NOWHERE = """
import tempfile
tempfile._candidate_tempdir_list = lambda: ["/proc/self", "/proc"]
"""


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """Every process of ours finds no folder for temporary files."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(NOWHERE, encoding="utf-8")
    return {"PYTHONPATH": f"{site}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}


def test_without_a_folder_for_temporary_files_it_uses_the_data_folder(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    data = tmp_path / "data"
    with running(data, anew=True, **nowhere) as product:
        product.until_ready()
        assert (data / "tmp").stat().st_mode & 0o777 == 0o700
        assert product.stop() == 0
        assert "Traceback" not in product.text()
    assert list((data / "tmp").iterdir()) == []


def test_a_demo_has_no_data_folder_and_says_what_it_needs(tmp_path: Path, nowhere: dict[str, str]) -> None:
    with running(tmp_path / "unused", DEMO, anew=True, **nowhere) as product:
        assert product.ended() == 2
        assert product.lines() == [
            "Harmony does not start: no folder for temporary files can be written; set TMPDIR."
        ]
