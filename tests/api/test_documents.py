"""docs/api.md: every request on it is made, and answers what stands below it (rung R)."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from harmony.db import db
from harmony.models import DeviceStatus, Risk, Role
from harmony.security import key_format
from tests.api.program import Program
from tests.builders import a_choice, an_integration
from tests.protect.stored import found
from tests.stored import a_hold, devices, protect

TEXT = (Path(__file__).parents[2] / "docs/api.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(sh|json)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def sent(program: Program, line: str, placeholders: dict[str, str]) -> TestResponse:
    """Make the request of a command line."""
    words = shlex.split(line)
    options = list(pairwise(words))
    headers = dict(value.split(": ") for name, value in options if name == "-H")
    headers["Authorization"] = headers["Authorization"].replace("$HARMONY_KEY", program.key)
    body = next((value for name, value in options if name == "-d"), None)
    for name, value in placeholders.items():
        body = body and body.replace(name, value)
    method = dict(options).get("-X", "GET")
    path = words[-1].removeprefix("$HARMONY")
    assert path.startswith("/api/v1/")
    return program.client.open(path, method=method, headers=headers, data=body)


def test_every_request_answers_what_stands_below_it(app: Flask, context: Flask) -> None:
    hold = a_hold(an_integration(a_choice("570", deletion_after=1, deletion_threshold=20)), 10, 6)
    assert hold.id == 1
    last = devices(1)[9].id
    protect(last, DeviceStatus.ACTIVE, Risk.HIGH)
    found(last, "ROOTED", Risk.HIGH)
    program = Program.with_role(app, Role.OPERATOR)
    answer, placeholders, requests = None, {}, 0
    for language, block in BLOCKS:
        if language == "json":
            assert answer is not None
            assert alike(answer.json, json.loads(block)), block
            continue
        for line in block.strip().splitlines():
            answer = sent(program, line, placeholders)
            requests += 1
            assert answer.status_code in ({400} if "extreme" in line else {200}), (line, answer.json)
            if line.rstrip('"').endswith("/list"):
                placeholders = {"DEVICES": str(answer.json["devices"]), "DIGEST": answer.json["digest"]}
        db.session.rollback()
    assert requests == len(re.findall(r"^curl ", TEXT, re.MULTILINE)) > 10


def alike(answered: Any, shown: Any) -> bool:
    """Whether an answer is the one shown; of a list its first records, and no time."""
    if isinstance(shown, dict):
        return answered.keys() == shown.keys() and all(alike(answered[name], shown[name]) for name in shown)
    if isinstance(shown, list):
        return len(answered) == len(shown) and all(map(alike, answered, shown))
    is_time = isinstance(shown, str) and re.match(r"\d{4}-\d\d-\d\dT", shown)
    return answered is not None if is_time else answered == shown


def test_the_pattern_for_scanners_finds_keys() -> None:
    pattern = re.search(r"^\\b.*\\b$", TEXT, re.MULTILINE)
    assert pattern
    assert re.search(pattern.group(), f"key={key_format.complete('a' * 8, 'b' * 32)}!")
    assert pattern.group() == rf"\b{key_format.PATTERN}\b"
