"""Pages read in a process of their own: the same records, whatever becomes of it (rung: real processes)."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harmony.uem.device_keys import with_keys
from harmony.uem.errors import MalformedAnswer, TooLarge
from harmony.uem.workspace_one import page_process
from harmony.uem.workspace_one.device_page import MAX_ROWS, PageContent, page_content
from harmony.uem.workspace_one.page_process import PageProcess
from tests.uem.test_wire import ROW
from tests.waiting import wait_for

pytestmark = pytest.mark.processes
ROOT = Path(__file__).resolve().parents[2]
# What the process must do without: it is there beside each sync of a large fleet.
HEAVY = ("sqlalchemy", "flask", "requests", "urllib3", "harmony.models", "harmony.db")


def body(*rows: Any, **more: Any) -> bytes:
    return json.dumps({"Devices": list(rows), "Total": 20_000, **more}).encode()


PAGE = body(*({**ROW, "Id": {"Value": number}} for number in range(1, 501)))


def pid_of(process: PageProcess) -> int:
    assert process._child is not None
    return process._child.pid


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def has_keys(page: PageContent) -> bool:
    return all(device.keys is not None for device in page.devices)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a machine with a single one."""
    monkeypatch.setattr(page_process, "_cores", lambda: 2)


@pytest.fixture
def process() -> Iterator[PageProcess]:
    """A process that is ready."""
    found = PageProcess()
    wait_for(lambda: has_keys(found.read(PAGE)), "the process to be ready")
    yield found
    found.close()


ODD_ROWS = [
    {**ROW, "Id": None},
    {**ROW, "Id": "x", "Udid": "U", "SerialNumber": "S"},
    {**ROW, "DeviceFriendlyName": "\ud800 lone"},
    {**ROW, "DeviceFriendlyName": "K\u0000im \u202eevil", "LastSeen": "never"},
    {**ROW, "LocationGroupId": None, "CompromisedStatus": "NotCompromised"},
    {**ROW, "LastSeen": "2020-10-16T15:08:03.387+05:30", "Imei": None},
    {"DEVICEID": 7, "udid": 5},
    "no object",
    None,
]


@pytest.mark.parametrize("row", ODD_ROWS, ids=range(len(ODD_ROWS)))
def test_each_row_is_read_as_without_the_process(process: PageProcess, row: Any) -> None:
    page = process.read(body(row, ROW))
    expected = page_content(body(row, ROW))
    assert page == expected or page == PageContent(
        tuple(map(with_keys, expected.devices)), expected.skipped, expected.total
    )


def test_a_page_comes_with_the_keys_of_its_devices(process: PageProcess) -> None:
    page = process.read(PAGE)
    assert page.devices == tuple(map(with_keys, page_content(PAGE).devices))
    assert page.total == 20_000


@pytest.mark.parametrize(
    ("odd", "error"),
    [
        (b"", MalformedAnswer),
        (b"[]", MalformedAnswer),
        (b'{"Devices": NaN}', MalformedAnswer),
        (PAGE[:-100], MalformedAnswer),
        (body(*({"Id": number} for number in range(1, MAX_ROWS + 2))), TooLarge),
    ],
    ids=["empty", "a list", "no JSON", "cut off", "too many rows"],
)
def test_an_answer_that_is_no_page_is_refused_as_without_the_process(
    process: PageProcess, odd: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error) as without:
        page_content(odd)
    with pytest.raises(error) as raised:
        process.read(odd)
    assert str(raised.value) == str(without.value)
    assert has_keys(process.read(PAGE)), "the next page is read in the process again"


def test_several_threads_get_the_pages_that_they_asked_for(process: PageProcess) -> None:
    pages = [body({**ROW, "Id": number}) for number in range(1, 101)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(process.read, pages))
    assert [page.devices[0].external_id for page in found] == [str(number) for number in range(1, 101)]


def test_pages_are_read_on_when_the_process_is_killed(process: PageProcess) -> None:
    os.kill(pid_of(process), signal.SIGKILL)
    for _ in range(5):
        assert [device.changed() for device in process.read(PAGE).devices] == [*page_content(PAGE).devices]


def test_pages_are_read_on_when_the_process_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_process, "_PATIENCE", struct.pack("ll", 0, 100_000))
    stopped = PageProcess()
    try:
        stopped.read(PAGE)
        os.kill(pid_of(stopped), signal.SIGSTOP)
        for _ in range(5):
            assert len(stopped.read(PAGE).devices) == 500
    finally:
        stopped.close()
    assert not is_alive(pid_of(stopped))


def test_a_process_of_other_code_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_process, "_CODE", b"what was on the disk when the worker started")
    upgraded = PageProcess()
    try:
        upgraded.read(PAGE)
        wait_for(lambda: upgraded.read(PAGE) and upgraded._free.empty(), "every line to be given up")
        assert not has_keys(upgraded.read(PAGE))
    finally:
        upgraded.close()


def test_a_reply_that_is_no_page_is_read_here(process: PageProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_ask", lambda _body: b"\x93\x01\x02\x03")
    assert process.read(PAGE).devices == page_content(PAGE).devices


def test_the_process_is_told_no_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HARMONY_SECRET_KEY", "canary")
    monkeypatch.setenv("PGPASSWORD", "canary")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    found = PageProcess()
    try:
        wait_for(lambda: has_keys(found.read(PAGE)), "the process to be ready")
        assert "canary" not in Path(f"/proc/{pid_of(found)}/environ").read_text(encoding="utf-8")
    finally:
        found.close()


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000", 2), ("100000 100000", 1), ("150000 100000", 1.5), (None, 2)]
)
def test_a_container_with_a_share_of_the_cores_has_that_many(
    limit: str | None, cores: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpu.max"
    if limit is not None:
        file.write_text(limit, encoding="ascii")
    monkeypatch.undo()
    monkeypatch.setattr(page_process, "_CGROUP_CPU", file)
    monkeypatch.setattr(page_process.os, "sched_getaffinity", lambda _pid: {0, 1})
    assert page_process._cores() == cores


def test_closing_while_pages_are_read_leaves_no_line_open(process: PageProcess) -> None:
    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(process.read, PAGE) for _ in range(40)]
        reading[4].result()
        process.close()
        assert all(len(page.result().devices) == 500 for page in reading)
    assert [line._end.fileno() for line in process._lines] == [-1] * len(process._lines)


def test_a_process_that_cannot_be_started_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_process.sys, "executable", "/nonexistent/python")
    without = PageProcess()
    assert [len(without.read(PAGE).devices) for _ in range(2)] == [500, 500]
    without.close()


def test_a_small_fleet_starts_no_process() -> None:
    small = PageProcess()
    small.read(body(ROW, Total=page_process.LARGE_FLEET - 1))
    assert small._child is None
    small.close()


def test_a_single_core_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_process, "_cores", lambda: 1)
    alone = PageProcess()
    alone.read(PAGE)
    assert alone._child is None


def test_the_process_ends_with_the_reading(process: PageProcess) -> None:
    process.close()
    assert not is_alive(pid_of(process))
    assert len(process.read(PAGE).devices) == 500


STARTED = """
import signal, sys
from harmony.uem.workspace_one import page_process
page_process._cores = lambda: 2
process = page_process.PageProcess()
process.read(sys.stdin.buffer.read())
print(process._child.pid, flush=True)
signal.pause()
"""


def test_the_process_ends_with_its_parent_however_that_ends() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTED], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin as stdin, parent.stdout as stdout:
        stdin.write(PAGE)
        stdin.close()
        child = int(stdout.readline())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_alive(child), "the process to end")


def test_the_process_is_small() -> None:
    code = f"import sys, {page_process.__name__}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "msgspec" in loaded
    assert [name for name in HEAVY if name in loaded] == []
