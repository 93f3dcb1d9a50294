"""Every whole SQL statement that stands in a constant is one that both databases understand (rung R)."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import harmony
from harmony.db import bulk, db, release
from tests.database import on_both

database = on_both

VERB = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
# Steps of the schema run on tables of their own time, and the catalogue of PostgreSQL is on PostgreSQL alone.
LEFT_OUT = (
    "harmony.migrations",
    "harmony.simulator",
    "harmony.backup.postgresql",
    "harmony.backup.scratch",
    "harmony.db.postgresql",
    "harmony.models.event_partitions",
)


def statements() -> dict[str, str]:
    """The whole statements by the name of their constant; text with a part to fill in is not one."""
    found = {}
    for module in pkgutil.walk_packages(harmony.__path__, "harmony."):
        if module.name.startswith(LEFT_OUT) or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.isupper() and isinstance(value, str) and VERB.match(value) and "{" not in value:
                found[f"{module.name}.{name}"] = value
    return found


@pytest.mark.usefixtures("context")
def test_both_databases_understand_every_statement() -> None:
    found = statements()
    assert len(found) > 20
    assert any(name.startswith("harmony.sync.") for name in found)
    wrong = {}
    for name, sql in found.items():
        try:
            bulk.fetch_all(db.session(), f"EXPLAIN {sql}", (None,) * sql.count("?"))
        except Exception as error:  # whatever the driver raises, all are listed
            wrong[name] = str(error)
        release()
    assert not wrong
