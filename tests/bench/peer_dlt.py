"""A peer: dlt into SQLite, merging on a declared key; its keys made real, which its defaults leave out."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import dlt

from tests.bench.peer_rows import Page, run


def store(folder: Path, pages: Iterable[Page]) -> int:
    """Keep every row; returns how many there are. Without `create_primary_keys` its merge is quadratic."""
    destination = dlt.destinations.sqlalchemy(f"sqlite:///{folder / 'dlt.db'}", create_primary_keys=True)
    pipeline = dlt.pipeline(
        "bench", pipelines_dir=str(folder / "pipelines"), destination=destination, dataset_name="devices"
    )
    rows = dlt.resource(
        pages, name="device", primary_key="id", write_disposition="merge", max_table_nesting=0
    )
    pipeline.run(rows).raise_on_failed_jobs()
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT count(*) FROM device")
    return int(found[0][0]) if found else 0


if __name__ == "__main__":
    sys.exit(run(store))
