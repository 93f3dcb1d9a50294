"""Devices of this dashboard as simulated Protect apps: which of them, and what they register with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Select, exists, select

from harmony.db import db, release
from harmony.device_api.registration.codes import issue_code
from harmony.device_api.registration.two_profiles import in_enterprise_group
from harmony.models import Device, Integration, IntegrationState, Profile, Registration
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
    enterprise = in_enterprise_group(integrations)
    columns = (Device.id, Device.integration_id, Device.udid, Device.platform, Device.model)
    more = (Device.os_version, Device.serial, live.label("registered"), enterprise.label("enterprise"))
    chosen = Device.integration_id.in_([integration.id for integration in integrations])
    known = select(*columns, *more).where(chosen, Device.deleted_at.is_(None), Device.udid_key != "")
    return known.order_by(Device.id).execution_options(yield_per=1000)


def agents_for(found: Sequence[Candidate], by: str, now: datetime) -> list[Agent]:
    """Return the agents of each; a device in contact is taken over with a code, audited as made by `by`."""
    return [Agent(handset) for candidate in found for handset in _handsets(candidate, by, now)]


def _handsets(candidate: Candidate, by: str, now: datetime) -> Iterator[Handset]:
    """Yield one Protect app, or two on Android Enterprise, each with a code if the device is taken over."""
    profiles = [Profile.DEVICE]
    if candidate.two_profiles:
        forgotten = not candidate.registered and candidate.device_id % _FORGOTTEN == 0
        profiles = [Profile.WORK] if forgotten else [Profile.WORK, Profile.PERSONAL]
    for profile in profiles:
        code = issue_code(candidate.device_id, by, now, profile) if candidate.registered else ""
        yield replace(candidate.handset, code=code or "", profile=profile.value)
