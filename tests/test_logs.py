"""Promises about JSON logs (pure, R and M): each line is one object, with the ids of request and run."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harmony import create_app, logs
from harmony.config import Settings, SettingsError
from harmony.jobs.runner import EarlyOutcomes, attempt_without_uem
from harmony.ops.request_ids import HEADER
from tests.builders import an_integration

log = logging.getLogger("harmony.tests")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def objects(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_is_one_object_whatever_is_in_it(written: io.StringIO) -> None:
    log.warning("%s", 'two\nlines, "quotes" and \u4e2d')
    (said,) = objects(written)
    assert said["msg"] == 'two\nlines, "quotes" and \u4e2d'
    assert (said["level"], said["logger"]) == ("WARNING", "harmony.tests")
    assert said["ts"].endswith("Z")
    assert len(said["ts"]) == len("2026-11-29T12:00:00.000Z")


def test_a_traceback_is_a_text_of_its_object(written: io.StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("It failed.")
    (said,) = objects(written)
    assert said["exc"].startswith("Traceback")
    assert said["exc"].endswith("ValueError: broken")


def test_fields_stand_in_what_is_written_within_them(written: io.StringIO) -> None:
    with logs.fields(run_id=7):
        with logs.fields(integration=1):
            log.warning("inside")
        log.warning("between")
    log.warning("outside")
    assert [(one.get("run_id"), one.get("integration")) for one in objects(written)] == [
        (7, 1),
        (7, None),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("proxies", "sent", "taken"),
    [
        (1, "abcdef-12345678", True),
        (0, "abcdef-12345678", False),
        (1, "short", False),
        (1, "x" * 65, False),
        (1, "with spaces in it", False),
        (1, "", False),
    ],
)
def test_the_id_of_a_request_is_that_of_a_trusted_proxy_or_our_own(
    settings: Settings, written: io.StringIO, proxies: int, sent: str, taken: bool
) -> None:
    app = create_app(replace(settings, trusted_proxies=proxies))
    app.before_request(lambda: log.warning("asked"))
    app.test_client().get("/healthz", headers={HEADER: sent} if sent else {})
    app.test_client().get("/healthz")
    first, second = (one["request_id"] for one in objects(written) if one["msg"] == "asked")
    assert (first == sent) is taken
    assert len(second) == 16
    assert first != second


@pytest.mark.usefixtures("context")
def test_what_is_logged_in_a_run_names_the_run(written: io.StringIO) -> None:
    held = SimpleNamespace(integration_id=an_integration(), run_id=7)
    work = SimpleNamespace(lease=held, should_stop=lambda: False)
    ends = EarlyOutcomes(
        "tagging", lambda *_: "locked", lambda _: "database", "stopped", "paused", "overtaken"
    )

    def take(_watch: object) -> str:
        log.warning("at work")
        raise KeyError("a defect of ours")

    assert attempt_without_uem(work, lambda *_: None, take, ends) == "database"
    log.warning("afterwards")
    about = {one["msg"]: (one.get("run_id"), one.get("job")) for one in objects(written)}
    assert about["at work"] == about["Tagging 7 failed."] == (7, "tagging")
    assert about["afterwards"] == (None, None)


PROGRAM = """
import os
import sys
from harmony import logs
from harmony.ops.standard_output import say
from harmony.ops.supervisor import Child
logs.configure("INFO", "json")
child = Child("web ", lambda: exec(sys.argv[1]) or 0)
child.check()
os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOWAIT)
child.bury()
say("main", "The end")
"""
TALKS = """print('{"msg": "mine"}'); print("plain"); print("Traceback (most recent call last):")"""


def test_the_supervisor_passes_objects_on_and_makes_objects_of_the_rest() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, TALKS],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = sorted({line for line in ended.stdout.splitlines() if line})
    said = [json.loads(line) for line in lines]
    assert {one["msg"] for one in said} <= {"mine", "plain", "Traceback (most recent call last):", "The end"}
    assert {"msg": "mine"} in said
    assert {one.get("logger") for one in said} == {None, "web", "main"}


def test_the_format_is_text_or_json() -> None:
    assert Settings.from_environment({"HARMONY_LOG_FORMAT": "json"}).log_format == "json"
    with pytest.raises(SettingsError, match="HARMONY_LOG_FORMAT must be text or json"):
        Settings.from_environment({"HARMONY_LOG_FORMAT": "xml"})
