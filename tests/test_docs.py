"""Promises about the documents (pure): what they name exists, decisions are dated, words are few."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harmony.db import db
from harmony.models import SyncRunState

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("harmony/**/*.md")))
CURRENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
DECISIONS = sorted(ROOT.glob("docs/decisions/[0-9]*.md"))
ROOMS = ("harmony", "tests", "templates", "static", "docs")
FILES = [f"/{path.relative_to(ROOT)}" for room in ROOMS for path in (ROOT / room).rglob("*")]


def _missing_files(document: Path) -> Iterator[str]:
    for name in re.findall(
        r"`(?:\./)?((?:[\w.-]+/)*[\w-]+\.(?:py|html|css|js))\b", document.read_text("utf-8")
    ):
        if not (ROOT / name).exists() and not any(path.endswith(f"/{name}") for path in FILES):
            yield f"{document.relative_to(ROOT)}: {name}"


def test_every_file_that_a_document_names_exists() -> None:
    assert [name for document in CURRENT for name in _missing_files(document)] == []


def test_every_link_between_documents_leads_somewhere() -> None:
    assert [
        f"{document.relative_to(ROOT)}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
        if not (document.parent / target).exists()
    ] == []


def test_every_decision_is_dated_has_a_status_and_stands_in_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(\d+)\]\(([\w-]+\.md)\) \| (.+?) \| ([\d-]+) \| (\w+) \|$", index, re.MULTILINE)
    heads = []
    for path in DECISIONS:
        head = re.match(r"# (\d+)\. (.+)\n\n(\d{4}-\d\d-\d\d) · (\w+)", path.read_text("utf-8"))
        assert head, f"{path.name} begins with its number, title, date and status"
        heads.append((head[1], path.name, *head.groups()[1:]))
    assert rows == heads
    assert [int(number) for number, *_ in heads] == list(range(1, len(heads) + 1))


def test_the_glossary_has_no_more_words_than_somebody_reads() -> None:
    words = (ROOT / "README.md").read_text("utf-8").split("## Words")[1]
    assert 10 < len(re.findall(r"^\| ", words, re.MULTILINE)) - 2 <= 25


def test_the_diagram_of_the_tables_is_that_of_the_database() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8").split("## Tables")[1].split("## States")[0]
    drawn = re.findall(r"^    (\w+) \|\|(--|\.\.)o[{|] (\w+) :", text, re.MULTILINE)
    tables = db.metadata.tables
    assert {name for left, _, right in drawn for name in (left, right)} | set(
        re.findall(r"`(\w+)`", text)
    ) == set(tables)
    keys = {(key.column.table.name, name) for name, table in tables.items() for key in table.foreign_keys}
    of_devices = {("integration", name) for parent, name in keys if parent == "device"}
    assert {(left, right) for left, line, right in drawn if line == "--"} == keys - of_devices


def test_the_diagram_of_the_states_of_a_run_has_all_of_them() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8").split("## States of a run")[1]
    assert set(re.findall(r"--> (\w+) :", text)) == {state.value for state in SyncRunState}
