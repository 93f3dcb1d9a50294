"""The apps of a device, as its Protect app or the UEM lists them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from harmony.models import App, InstalledApp


class SeenApp(NamedTuple):
    """An app as it was listed; `identifier` is its package or bundle id."""

    identifier: str
    version: str
    name: str


def take_inventory(  # noqa: PLR0917 - the same for the check-in and for the app sync
    session: Session, device_id: int, integration_id: int, platform: str, profile: str,
    apps: Sequence[SeenApp], now: datetime,
) -> None:  # fmt: skip
    """Keep what is installed on one profile of a device, inside the caller's `write()`."""
    mine = (InstalledApp.device_id == device_id, InstalledApp.profile == profile)
    session.execute(delete(InstalledApp).where(*mine))
    ids = sorted({_app_id(session, platform, one, now) for one in apps})
    if ids:
        rows = [{"device_id": device_id, "profile": profile, "app_id": id_} for id_ in ids]
        session.execute(insert(InstalledApp), rows)


def _app_id(session: Session, platform: str, app: SeenApp, now: datetime) -> int:
    same = (App.platform == platform, App.identifier == app.identifier, App.version == app.version)
    known = session.scalar(select(App.id).where(*same))
    if known is not None:
        return known
    row = App(platform=platform, name_key=app.name.casefold(), first_seen_at=now, **app._asdict())
    session.add(row)
    session.flush()
    return row.id
