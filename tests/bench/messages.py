"""Messages: a sync beside 10,000 queued messages against the same alone, and how many leave meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench import dashboard, send_messages
from tests.bench.process import ROOT
from tests.bench.results import Result, middle
from tests.bench.simulated import Simulated

MOST_OF_A_SYNC_ALONE = 1.15


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """Every line of the table of messages; alone and beside take turns on the same machine."""
    uem.gather()
    template = dashboard.make(folder / "messages", uem)
    alone, beside, said = [], [], {}
    for _ in range(repeats):
        place = dashboard.copy(template, folder / "messages-round")
        alone.append(dashboard.sync(place).seconds)
        place = dashboard.copy(template, folder / "messages-round")
        seconds, said = _beside_messages(place)
        beside.append(seconds)
    ratio = middle(beside) / middle(alone)
    detail = {"alone": alone, "beside": beside, "queued": send_messages.MESSAGES, **said}
    return [
        Result("messages.sync_beside", round(ratio, 3), MOST_OF_A_SYNC_ALONE, detail=detail),
        Result("messages.sent_at_once", said["sent"], said["cap"]),
    ]


def _beside_messages(place: Path) -> tuple[float, dict[str, Any]]:
    command = [sys.executable, "-m", send_messages.__name__, str(place)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the messages were not queued")
            seconds = dashboard.sync(place).seconds
            return seconds, json.loads(process.communicate()[0])
        finally:
            process.kill()
