"""The state of registration messages of an integration: what is missing, and how many devices wait."""

from __future__ import annotations

from typing import NamedTuple

from harmony.config import current_settings
from harmony.messages.registration import recipients
from harmony.messages.registration.recipients import RegistrationWay
from harmony.models import ChannelKind, Integration, IntegrationState

CHANNELS = {ChannelKind.EMAIL: "Mail", ChannelKind.SMS: "SMS"}
_NO_ADDRESS = "HARMONY_PUBLIC_URL is not set, so a message has no address to register at."
_NO_CHANNEL = {
    ChannelKind.EMAIL: "No mail server is set up.",
    ChannelKind.SMS: "No channel for SMS is set up.",
}
_NOT_IMPORTED = {
    ChannelKind.EMAIL: "Device email is not imported (Synchronization), so there is no address.",
    ChannelKind.SMS: "Device number is not imported (Synchronization), so there is no number.",
}


class WaitingDevices(NamedTuple):
    """The numbers of a channel: unregistered devices without a message, and new ones that are too many."""

    channel: ChannelKind
    title: str
    unregistered: int
    too_many: int


def missing_for_messages(integration: Integration) -> dict[str, list[str]]:
    """Return for each channel what keeps its messages from being sent, in sentences."""
    there = {way.kind for way in recipients.ways_of(integration.draft.deployment)}
    choice = integration.draft.synchronization
    imported = {ChannelKind.EMAIL: choice.import_email, ChannelKind.SMS: choice.import_number}
    missing = {}
    for channel in CHANNELS:
        sentences = [] if channel in there else [_NO_CHANNEL[channel]]
        sentences += [] if imported[channel] else [_NOT_IMPORTED[channel]]
        missing[channel.value] = sentences + ([] if current_settings().public_url else [_NO_ADDRESS])
    return missing


def waiting_devices(integration: Integration) -> list[WaitingDevices]:
    """Return the numbers of the channels that are switched on, of an integration that is finished."""
    if integration.state == IntegrationState.DRAFT:
        return []
    deployment = integration.in_force.deployment
    if deployment.email_since is None and deployment.sms_since is None:
        return []
    return [_waiting(integration, way) for way in recipients.ways_of(deployment) if way.since]


def way_of(integration: Integration, channel: str) -> RegistrationWay | None:
    """Return the channel of that name, if messages can be sent over it."""
    if missing_for_messages(integration).get(channel, True):
        return None
    ways = recipients.ways_of(integration.in_force.deployment)
    return next((way for way in ways if way.kind == channel), None)


def _waiting(integration: Integration, way: RegistrationWay) -> WaitingDevices:
    unregistered = recipients.count_unregistered(integration.id, way)
    too_many = recipients.awaiting_a_person(integration, way)
    return WaitingDevices(way.kind, CHANNELS[way.kind], unregistered, too_many)
