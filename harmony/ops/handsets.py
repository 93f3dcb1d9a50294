"""Devices of this dashboard as simulated Protect apps: which of them, and what they register with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from sqlalchemy import exists, select

from harmony.db import db, release
from harmony.models import Device, Integration, IntegrationState, Registration
from harmony.models.configuration import DEPLOYMENT, Deployment, from_row
from harmony.protect import codes
from harmony.protect.risk import platform_of
from harmony.security.vault import VaultLocked, vault
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.records import Handset
from harmony.sync.connect import bound_to

NO_INTEGRATION = "No integration is active. Finish its wizard, or resume it, and sync; then run this again."
NO_DEVICES = "There is no iOS or Android device yet. Sync first; then run this again."


class NothingToSimulate(Exception):
    """No device here could have a Protect app. A sentence with the next step."""


class Candidate(NamedTuple):
    """A device that can have a Protect app; `registered`: it has one, which alone may speak for it."""

    device_id: int
    integration_id: int
    registered: bool
    handset: Handset


def candidates(most: int) -> list[Candidate]:
    """The first `most` phones and tablets of the active integrations, with the dashboard token of each.

    Raises NothingToSimulate.
    """
    active = select(Integration).where(Integration.state == IntegrationState.ACTIVE)
    tokens = {one.id: token_in_force(one) for one in db.session.scalars(active)}
    if not tokens:
        raise NothingToSimulate(NO_INTEGRATION)
    found = list(islice(_phones(tokens), most))
    release()
    if not found:
        raise NothingToSimulate(NO_DEVICES)
    return found


def token_in_force(integration: Integration) -> str:
    """The token with which Protect apps register; "" when there is none or it does not open."""
    page = integration.page(DEPLOYMENT)
    sealed = from_row(Deployment, page.applied if page else None).token
    try:
        return vault().open(sealed, bound_to(integration.id, "token"))
    except VaultLocked:
        return ""


def _phones(tokens: dict[int, str]) -> Iterator[Candidate]:
    live = exists().where(Registration.device_id == Device.id, Registration.ended_at.is_(None))
    columns = (Device.id, Device.integration_id, Device.udid, Device.platform, Device.model)
    rows = (
        select(*columns, Device.os_version, Device.serial, live.label("registered"))
        .where(Device.integration_id.in_(tokens), Device.deleted_at.is_(None), Device.udid_key != "")
        .order_by(Device.id)
        .execution_options(yield_per=1000)
    )
    for row in db.session.execute(rows):
        if platform := platform_of(row.platform):
            handset = Handset(
                udid=row.udid,
                platform=platform,
                model=row.model,
                os_version=row.os_version,
                serial=row.serial,
                token=tokens[row.integration_id],
            )
            yield Candidate(row.id, row.integration_id, row.registered, handset)


def agents_for(found: Sequence[Candidate], by: str, now: datetime) -> list[Agent]:
    """An agent for each; a device in contact is taken over with a code, whose making is audited as `by`."""
    return [
        Agent(
            replace(one.handset, code=(codes.issue(one.device_id, by, now) or "") if one.registered else "")
        )
        for one in found
    ]
