"""Devices of this dashboard as simulated Protect apps: which of them, and what they register with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, exists, false, or_, select

from harmony.db import db, release
from harmony.device_api.registration import credentials
from harmony.jobs.device_sync import choice
from harmony.models import Device, Integration, IntegrationState, Membership, Profile, Registration
from harmony.protection.catalogue import ANDROID
from harmony.protection.risk import platform_of
from harmony.security.credentials import bound_to
from harmony.security.vault import VaultLocked, vault
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.records import Handset

# On one Android Enterprise device of so many nobody installed Protect in the personal profile.
_FORGOTTEN = 4
_NO_INTEGRATION = "No integration is active. Finish its wizard, or resume it, and sync; then run this again."
_NO_DEVICES = "There is no iOS or Android device yet. Sync first; then run this again."


class NothingToSimulate(Exception):
    """No device here could have a Protect app. A sentence with the next step."""


class Candidate(NamedTuple):
    """A device that can have Protect. `registered`: it has, so that only who has a code may take its place.

    `two_profiles`: Android Enterprise, where each profile has a Protect app of its own.
    """

    device_id: int
    integration_id: int
    registered: bool
    two_profiles: bool
    handset: Handset


def candidates(most: int) -> list[Candidate]:
    """Return the first `most` phones and tablets of the active integrations, each with the dashboard token.

    Raises NothingToSimulate.
    """
    active = select(Integration).where(Integration.state == IntegrationState.ACTIVE)
    integrations = {integration.id: integration for integration in db.session.scalars(active)}
    if not integrations:
        raise NothingToSimulate(_NO_INTEGRATION)
    found = list(islice(_phones(integrations), most))
    release()
    if not found:
        raise NothingToSimulate(_NO_DEVICES)
    return found


def token_in_force(integration: Integration) -> str:
    """Return the token with which Protect apps register; "" when there is none or it does not open."""
    sealed = integration.in_force.deployment.token
    try:
        return vault().open(sealed, bound_to(integration.id, "token"))
    except VaultLocked:
        return ""


def _phones(integrations: Mapping[int, Integration]) -> Iterator[Candidate]:
    tokens = {id_: token_in_force(integration) for id_, integration in integrations.items()}
    for row in db.session.execute(_rows(integrations.values())):
        if platform := platform_of(row.platform):
            handset = Handset(
                udid=row.udid,
                platform=platform,
                model=row.model,
                os_version=row.os_version,
                serial=row.serial,
                token=tokens[row.integration_id],
            )
            two = platform == ANDROID and bool(row.enterprise)
            yield Candidate(row.id, row.integration_id, row.registered, two, handset)


def _rows(integrations: Collection[Integration]) -> Select[*tuple[Any, ...]]:
    live = exists().where(Registration.device_id == Device.id, Registration.ended_at.is_(None))
    enterprise = exists().where(Membership.device_id == Device.id, or_(false(), *_enterprise(integrations)))
    columns = (Device.id, Device.integration_id, Device.udid, Device.platform, Device.model)
    more = (Device.os_version, Device.serial, live.label("registered"), enterprise.label("enterprise"))
    chosen = Device.integration_id.in_([integration.id for integration in integrations])
    known = select(*columns, *more).where(chosen, Device.deleted_at.is_(None), Device.udid_key != "")
    return known.order_by(Device.id).execution_options(yield_per=1000)


def _enterprise(integrations: Iterable[Integration]) -> Iterator[ColumnElement[bool]]:
    """Yield the chosen groups for Android Enterprise, whose devices have two profiles."""
    for integration in integrations:
        for group in choice(integration).groups:
            if group.android_enterprise:
                listed = (Membership.group_kind == group.kind, Membership.group_id == group.external_id)
                yield and_(Device.integration_id == integration.id, *listed)


def agents_for(found: Sequence[Candidate], by: str, now: datetime) -> list[Agent]:
    """Return the agents of each; a device in contact is taken over with a code, audited as made by `by`."""
    return [Agent(handset) for candidate in found for handset in _handsets(candidate, by, now)]


def _handsets(candidate: Candidate, by: str, now: datetime) -> Iterator[Handset]:
    """Yield one Protect app, or two on Android Enterprise.

    There is one code at a time: who takes over a device with two profiles takes over the work profile.
    """
    code = (credentials.issue_code(candidate.device_id, by, now) or "") if candidate.registered else ""
    if not candidate.two_profiles:
        yield replace(candidate.handset, code=code)
        return
    yield replace(candidate.handset, code=code, profile=Profile.WORK.value)
    if not code and candidate.device_id % _FORGOTTEN:
        yield replace(candidate.handset, profile=Profile.PERSONAL.value)
