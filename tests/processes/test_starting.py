"""The start (rung M): refused in one sentence without a trace, quick the second time, honest in /readyz."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes.conftest import Make
from tests.processes.product import APP, ROOT, WORKER, is_fit_to_be_forked, kill, running
from tests.sampling import combinations

pytestmark = pytest.mark.processes


# What only some installations use, and never before somebody asks for it.
LATE = ("apprise", "psycopg", "webauthn")
COMMANDS = {"supervisor": APP, "worker": WORKER}
REFUSED = {
    "HARMONY_COLOUR": ("red", "HARMONY_COLOUR is not a setting of Harmony"),
    "HARMONY_BIND": ("everywhere", "HARMONY_BIND must be an address and a port"),
    "HARMONY_SECRET_KEY": ("short", "HARMONY_SECRET_KEY must be at least 32 characters"),
}


@pytest.mark.soak
@pytest.mark.parametrize(("setting", "command"), combinations(REFUSED, COMMANDS))
def test_a_wrong_setting_is_refused_in_one_sentence_before_anything_is_written(
    tmp_path: Path, setting: str, command: str
) -> None:
    value, says = REFUSED[setting]
    with running(tmp_path / "data", COMMANDS[command], anew=True, **{setting: value}) as product:
        assert product.ended() != 0
        (line,) = product.lines()
        assert line.startswith(f"Harmony does not start: {says}")
        assert value not in line or setting != "HARMONY_SECRET_KEY"
    assert not (tmp_path / "data").exists()


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(make: Make) -> None:
    home = make("home")
    home.ask("UPDATE alembic_version SET version_num = '9999'")
    home.ask("UPDATE installation SET serves_from = '9999'")
    before = contents(home.folder)
    with running(home.folder, anew=True) as product:
        assert product.ended() == 2
        (line,) = product.lines()
        assert line.startswith("Harmony does not start: A newer version of Harmony wrote this database")
    assert contents(home.folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Every file with what is in it."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_no_process_waits_for_what_only_some_installations_use() -> None:
    processes = "harmony.application, harmony.ops.start, harmony.ops.web_server, harmony.worker.process"
    code = f"import sys, {processes}; print(*sys.modules, sep=chr(10))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines())
    assert "sqlalchemy" in loaded
    assert loaded.isdisjoint(LATE)


def test_a_second_start_finds_the_keys_and_the_database_of_the_first(tmp_path: Path) -> None:
    """How long it takes is measured by `make bench ONLY=start`."""
    folder, keys = tmp_path / "data", []
    for _ in range(2):
        with running(folder, anew=True) as product:
            product.until_ready()
            assert product.stop() == 0
        assert not (folder / "harmony.db-wal").exists(), "all of it is in the file that somebody may copy"
        keys.append({path.name: path.read_bytes() for path in sorted(folder.glob("*key*")) if path.is_file()})
    assert keys[0]
    assert keys[0] == keys[1]
    assert not list(folder.glob("**/before-upgrade*")), "nothing was there to upgrade"


def test_a_worker_that_stands_still_makes_it_not_ready(make: Make) -> None:
    home = make("home", due=None)
    with running(home.folder) as product:
        product.until_ready()
        assert is_fit_to_be_forked(product)
        with home.writing() as connection:  # so that the worker does not stand still within a write
            kill(product.worker(), signal.SIGSTOP)
            connection.execute("UPDATE worker SET seen_at = '2026-01-01 00:00:00.000000'")
        answer = product.readiness()
        assert answer is not None
        assert answer.status_code == 503
        assert answer.json()["status"] == "not ready"
        assert answer.json()["reasons"][0].startswith("No worker has sent a heartbeat")
