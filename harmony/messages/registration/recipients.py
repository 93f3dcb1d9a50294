"""Recipients of registration messages: new devices with an address and without Protect, each one once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import db, write
from harmony.messages.outbox import NewMessage, once, queue, resend
from harmony.models import (
    ChannelKind,
    Device,
    Integration,
    IntegrationState,
    MailServer,
    Message,
    MessageChannel,
    MessageKind,
    Registration,
)
from harmony.models.configuration import Deployment
from harmony.protection.risk import APPLE
from harmony.uem.privacy import PLACEHOLDER_EMAIL

# Who made the messages that Harmony queues by itself.
AUTOMATIC = "new device"
# More new devices than this at once wait for a person: a first sync, or a wrong group, is no reason to write.
MOST_AT_ONCE = 200
_BATCH = 1000
_SENT_BY_HAND = "Sent registration messages"
_NO_ADDRESS = PLACEHOLDER_EMAIL.format(udid="").casefold()


@dataclass(frozen=True, slots=True)
class RegistrationWay:
    """A channel that registration messages of an integration take; `since` is when it was switched on."""

    kind: ChannelKind
    channel_id: int | None
    since: datetime | None


def ways_of(deployment: Deployment) -> list[RegistrationWay]:
    """Return the channels that are set up, whether or not they are switched on."""
    first_sms = select(func.min(MessageChannel.id)).where(MessageChannel.kind == ChannelKind.SMS)
    has_mail = select(func.count(MailServer.id))
    both = select(has_mail.scalar_subquery(), first_sms.scalar_subquery())
    mail, sms = db.session.execute(both).one()
    ways = [RegistrationWay(ChannelKind.EMAIL, None, deployment.email_since)] if mail else []
    return [*ways, RegistrationWay(ChannelKind.SMS, sms, deployment.sms_since)] if sms else ways


def address_of(device: Device, channel: ChannelKind) -> str:
    """Return where a message to the device's user goes; "" when that is not known."""
    if channel is ChannelKind.SMS:
        return device.phone.strip()
    return "" if device.email.casefold().endswith(_NO_ADDRESS) else device.email.strip()


def queue_new_devices(now: datetime) -> None:
    """Queue the messages of devices that are new since their channel was switched on."""
    active = select(Integration).where(Integration.state == IntegrationState.ACTIVE)
    for integration in db.session.scalars(active).all():
        deployment = integration.in_force.deployment
        if deployment.email_since is None and deployment.sms_since is None:
            continue
        for way in ways_of(deployment):
            _queue_new(integration.id, way, deployment.language, now)


def awaiting_a_person(integration: Integration, way: RegistrationWay) -> int:
    """Return how many new devices get no message by themselves, because they are too many at once."""
    count = _count(_new(integration.id, way)) if way.since else 0
    return count if count > MOST_AT_ONCE else 0


def count_unregistered(integration_id: int, way: RegistrationWay) -> int:
    """Return how many devices lack Protect, have an address and got no message yet on a channel."""
    return _count(_unwritten(integration_id, way.kind))


def queue_all(integration: Integration, way: RegistrationWay, by: str, now: datetime) -> int:
    """Queue a message for every unregistered device that got none; return how many."""
    ids = db.session.scalars(_unwritten(integration.id, way.kind)).all()
    language, integration_id = integration.in_force.deployment.language, integration.id
    count = 0
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        with write() as session:
            queued = queue(session, list(_messages(integration_id, way, some, language, by)), now)
            _audit(session, integration_id, f"{queued:,} devices, {way.kind.value}", by, now)
        count += queued
    return count


def queue_one(integration: Integration, way: RegistrationWay, device_id: int, by: str, now: datetime) -> bool:
    """Queue a message for a device, after all others on a channel have ended; False if one waits."""
    language, integration_id = integration.in_force.deployment.language, integration.id
    of_device = (Message.device_id == device_id, Message.kind == MessageKind.REGISTRATION)
    newest = select(Message).where(*of_device, Message.channel == way.kind).order_by(Message.id.desc())
    with write() as session:
        last = session.scalars(newest.limit(1)).first()
        if last is not None:
            queued = resend(session, last, by, now)
        else:
            queued = queue(session, list(_messages(integration_id, way, [device_id], language, by)), now)
        if queued:
            _audit(session, integration_id, f"Device {device_id}, {way.kind.value}", by, now)
    return bool(queued)


def _queue_new(integration_id: int, way: RegistrationWay, language: str, now: datetime) -> None:
    if way.since is None:
        return
    ids = db.session.scalars(_new(integration_id, way).limit(MOST_AT_ONCE + 1)).all()
    if 0 < len(ids) <= MOST_AT_ONCE:
        with write() as session:
            queue(session, list(_messages(integration_id, way, ids, language, AUTOMATIC)), now)


def _audit(session: Session, integration_id: int, about: str, by: str, now: datetime) -> None:
    audit(session, by, _SENT_BY_HAND, now, session.get(Integration, integration_id), detail=about)


def _messages(
    integration_id: int, way: RegistrationWay, device_ids: Sequence[int], language: str, by: str
) -> Iterator[NewMessage]:
    for device_id in device_ids:
        yield NewMessage(
            kind=MessageKind.REGISTRATION,
            channel=way.kind,
            key=once(MessageKind.REGISTRATION, way.kind, device_id),
            created_by=by,
            integration_id=integration_id,
            device_id=device_id,
            channel_id=way.channel_id,
            language=language,
        )


def _new(integration_id: int, way: RegistrationWay) -> Select[int]:
    return _unwritten(integration_id, way.kind).where(Device.created_at > way.since)


def _unwritten(integration_id: int, channel: ChannelKind) -> Select[int]:
    registered = exists().where(Registration.device_id == Device.id, Registration.ended_at.is_(None))
    of_device = (Message.device_id == Device.id, Message.kind == MessageKind.REGISTRATION)
    written = exists().where(*of_device, Message.channel == channel)
    platform = func.lower(Device.platform)
    return select(Device.id).where(
        Device.integration_id == integration_id,
        Device.deleted_at.is_(None),
        _has_address(channel),
        or_(platform.in_(APPLE), platform.startswith("android")),
        ~registered,
        ~written,
    )


def _has_address(channel: ChannelKind) -> ColumnElement[bool]:
    if channel is ChannelKind.SMS:
        return func.trim(Device.phone) != ""
    email = func.lower(func.trim(Device.email))
    return (email != "") & ~email.endswith(_NO_ADDRESS, autoescape=True)


def _count(chosen: Select[int]) -> int:
    return db.session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
