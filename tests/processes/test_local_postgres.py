"""`make run-postgres` (rung M): Harmony on a server of its own, which ends with it and keeps its rows."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from harmony.ops.local_postgres import _folder, main
from tests.database import INITDB
from tests.processes.product import running

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not INITDB, reason="needs PostgreSQL: apt-get install postgresql"),
]

COMMAND = ("-m", "harmony.ops.local_postgres")


def test_it_starts_a_server_of_its_own_and_stops_it_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    try:
        for said in ("Making a PostgreSQL", ""):
            with running(data, COMMAND) as product:
                product.until_ready()
                assert product.pids("postgres")
                assert said in product.text()
                assert product.stop() == 0, "and nothing that it started is left"
        assert "Making a PostgreSQL" not in product.text(), "the second start finds what the first one made"
    finally:
        shutil.rmtree(_folder(data / "postgres"), ignore_errors=True)


def test_an_argument_that_it_does_not_have_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["local_postgres", "--port", "9000"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "unrecognized arguments: --port 9000" in capsys.readouterr().err
