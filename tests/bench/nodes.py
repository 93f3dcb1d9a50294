"""Two dashboards and two workers on PostgreSQL against one of each: check-ins a second, two syncs at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from harmony.clock import now
from harmony.jobs import control, lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from tests.bench import checkins, dashboard
from tests.bench.process import ROOT
from tests.bench.protected import park_jobs, protect
from tests.bench.results import Result
from tests.bench.simulated import TOP_ID, simulated
from tests.database import running_server
from tests.processes.installation import WORKERS, Installation
from tests.processes.product import Product
from tests.waiting import wait_for

DEVICES, PROTECTED = 20_000, 6000
SECONDS = 10.0
LEAST_CHECK_INS, MOST_SYNC = 1.7, 1.2
SELECT_SPAN = (
    "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float FROM job_run "
    "WHERE kind = 'devices' AND integration_id = ANY(%s)"
)
COUNT_UNDER_WAY = "SELECT count(*) FROM job_run WHERE finished_at IS NULL"
PACE = {"HARMONY_CALLS_PER_MINUTE": str(dashboard.CALLS_PER_MINUTE), "HARMONY_BACKUP_HOURS": "0"}


def measure(folder: Path) -> list[Result]:
    """Each ratio in one run, with what it was made of."""
    with (
        simulated(DEVICES) as uem,
        running_server() as server,
        server.database() as url,
        ExitStack() as stack,
    ):
        uem.gather()
        (folder / "nodes").mkdir()
        installation = Installation(folder / "nodes", url)
        installation.prepare(dashboard.server_details(uem), *[[str(TOP_ID)]] * 3)
        webs = [stack.enter_context(installation.node("web1", **PACE))]
        stack.enter_context(installation.node("worker1", WORKERS, **PACE))
        webs[0].until_ready()
        single = _syncs(installation, 1)
        keys = _keys(installation, folder)
        one = _check_ins([webs[0], webs[0]], keys)
        webs.append(stack.enter_context(installation.node("web2", **PACE)))
        stack.enter_context(installation.node("worker2", WORKERS, **PACE))
        webs[1].until_ready()
        two = _check_ins(webs, keys)
        both = _syncs(installation, 2, 3)
        used = installation.ask(
            "SELECT count(DISTINCT owner) FROM job_run WHERE integration_id > 1 AND kind = 'devices'"
        )[0][0]
    return _results(one, two, single, both, used)


def _results(one: float, two: float, single: float, both: float, workers: int) -> list[Result]:
    loads = {"unit": "x", "one_and_one_a_second": round(one), "two_and_two_a_second": round(two)}
    syncs = {"unit": "x", "one_seconds": single, "two_seconds": both, "workers": workers, "devices": DEVICES}
    return [
        Result("nodes.check_ins", round(two / one, 2), LEAST_CHECK_INS, at_least=True, detail=loads),
        Result("nodes.two_syncs", round(both / single, 2), MOST_SYNC, detail=syncs),
    ]


def _keys(installation: Installation, folder: Path) -> list[Path]:
    """The keys of protected devices in two files; nothing but check-ins runs from here on."""
    with installation.opened():
        park_jobs()
        for kind in (JobKind.TAGGING, JobKind.APPS):
            control.cancel(dashboard.INTEGRATION, kind, "bench", now())
        wait_for(lambda: not installation.ask(COUNT_UNDER_WAY)[0][0], "what followed the sync to end", 60)
        made = protect(PROTECTED)
        park_jobs()
    files = [folder / "nodes-keys-1", folder / "nodes-keys-2"]
    for number, file in enumerate(files):
        file.write_text("\n".join(made[number::2]), encoding="ascii")
    return files


def _check_ins(webs: Sequence[Product], keys: Sequence[Path]) -> float:
    """Answers a second to two processes that wait for nothing but their answers, after a round of warming."""
    for seconds in (2.0, SECONDS):
        running = [_load(web, file, seconds) for web, file in zip(webs, keys, strict=True)]
        found = [json.loads(process.communicate()[0].splitlines()[-1])["check_ins"] for process in running]
    if wrong := {error for each in found for *_, error in each if error}:
        raise RuntimeError(f"check-ins were refused: {wrong}")
    return sum(map(len, found)) / SECONDS


def _load(web: Product, keys: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", checkins.__name__, web.url(), str(keys), "0", str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _syncs(installation: Installation, *ids: int) -> float:
    """Seconds from the begin of the first to the end of the last of their first syncs."""
    with installation.opened():
        for id_ in ids:
            lease.request(id_, JobKind.DEVICES, "bench", now())
        for id_ in ids:
            enqueue(JobKind.DEVICES, id_)

    def are_done() -> bool:
        return all(installation.states(id_)[-1:] == ["ok"] for id_ in ids)

    wait_for(are_done, "the syncs", 600)
    (span,) = installation.ask(SELECT_SPAN, list(ids))
    return round(float(span[0]), 2)
