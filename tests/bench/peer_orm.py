"""A peer: requests and SQLAlchemy's `session.merge` for each row, one commit a page."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Column, Index, Integer, String, Table, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Session

from tests.bench.peer_rows import COLUMNS, INDEXES, Page, opened, run


class Base(DeclarativeBase):
    """Of the one table."""


class Device(Base):
    """The peers' row."""

    __table__ = Table(
        "device",
        Base.metadata,
        *(
            Column(name, Integer if kind is int else String, primary_key=name == "id")
            for name, kind in COLUMNS.items()
        ),
        *(Index(f"ix_device_{'_'.join(names)}", *names) for names in INDEXES),
    )


def store(folder: Path, pages: Iterable[Page]) -> int:
    """Keep every row; returns how many there are."""
    engine = create_engine("sqlite://", creator=lambda: opened(folder / "orm.db"))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for page in pages:
            for row in page:
                session.merge(Device(**row))
            session.commit()
        return session.scalar(select(func.count()).select_from(Device)) or 0


if __name__ == "__main__":
    sys.exit(run(store))
