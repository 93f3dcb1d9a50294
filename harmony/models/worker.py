"""The heartbeats of the worker and web processes, the sweep over the devices, and backups."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class Worker(Base):
    """One worker process; `identity` names host, process and its start, so that a reused pid is another."""

    __tablename__ = "worker"

    identity: Mapped[str] = mapped_column(String(128), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    # The name of the machine, for people; "" of a version that did not write it.
    node: Mapped[str] = mapped_column(String(64), server_default="", default="")
    version: Mapped[str] = mapped_column(String(32), server_default="", default="")
    ticked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When it was told to stop, and did; None of one that runs or died.
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WebProcess(Base):
    """One process of the dashboard; the columns are those of a worker."""

    __tablename__ = "web_process"

    identity: Mapped[str] = mapped_column(String(128), primary_key=True)
    node: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Installation(Base):
    """One row: what all processes of the installation must agree about.

    `serves_from`: the oldest step whose program can work on the schema as it is now. `queue_key`: the
    fingerprint of the key that signs the queue's messages. `timeline`: a number that rises whenever the
    caution mode begins, so that what a machine remembers of the time before does not count any more.
    """

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    serves_from: Mapped[str] = mapped_column(String(32))
    queue_key: Mapped[str | None] = mapped_column(String(64))
    timeline: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class BackupRecord(Base):
    """One row: when the newest scheduled backup was made, and on which machine in which folder.

    `problem` is why the last try made none, "" if it made one.
    """

    __tablename__ = "backup_record"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    newest_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    folder: Mapped[str] = mapped_column(String(1024))
    problem: Mapped[str] = mapped_column(String(256))


class Sweep(Base):
    """One row: when the devices were last swept, and when the last gap between two sweeps ended.

    `gap_at` is None while there was none. In a gap nobody listened, so no device can be called silent for it.
    """

    __tablename__ = "sweep"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    gap_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
