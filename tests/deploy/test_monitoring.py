"""Promises about alert rules and dashboard: they name series that there are, with labels that they have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from harmony.config import Settings
from harmony.ops.metrics import series
from harmony.ops.metrics.exposition import Family
from harmony.ops.metrics.requests import RequestCounts

FOLDER = Path(__file__).resolve().parent.parent.parent / "deploy" / "monitoring"
RULES, DASHBOARD = FOLDER / "harmony-rules.yaml", FOLDER / "grafana-dashboard.json"
SERIES = re.compile(r"\bharmony_([a-z_]+)")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return list(group["rules"])


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    return [rule["expr"] for rule in rules()] + shown


@pytest.fixture
def families(settings: Settings, context: Flask) -> dict[str, Family]:
    every = [*series.families(), *RequestCounts().families()]
    return {family.name: replace(family, samples=list(family.samples)) for family in every}


def test_every_series_that_is_named_is_there(families: dict[str, Family]) -> None:
    named = {name for said in expressions() for name in SERIES.findall(said)}
    assert len(named) > 12
    assert {re.sub("_bucket$", "", name) for name in named} - set(families) == set()


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    for rule in rules():
        assert re.fullmatch(r"Harmony[A-Z][A-Za-z]+", rule["alert"])
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(".")
        assert "for" in rule, "one odd moment wakes nobody"


def test_the_condition_of_an_integration_is_named_as_the_pages_do() -> None:
    said = " ".join(expressions())
    named = set(re.findall(r'condition=~?"([a-z|]+)"', said))
    assert {word for words in named for word in words.split("|")} == {"active", "stopped", "quarantined"}


def test_prometheus_takes_the_rules_where_its_own_tool_is_there() -> None:
    if shutil.which("promtool") is None:
        return  # what they are made of is checked above
    checked = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_dashboard_asks_for_its_source_and_overlaps_nowhere() -> None:
    whole = json.loads(DASHBOARD.read_text("utf-8"))
    assert whole["templating"]["list"][0]["type"] == "datasource"
    taken: set[tuple[int, int]] = set()
    for panel in whole["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
