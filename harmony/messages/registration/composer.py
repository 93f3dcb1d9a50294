"""Writes a registration message when it is sent: from the device as it is then, with codes made for it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.clock import now
from harmony.config import current_settings
from harmony.device_api.registration.message_codes import message_code, store_message_codes
from harmony.device_api.registration.rules import lacking
from harmony.device_api.registration.situation import has_two_profiles, live_registrations
from harmony.mail.envelope import Envelope
from harmony.messages.registration.content import RegistrationContent, written
from harmony.messages.registration.recipients import AUTOMATIC, address_of
from harmony.messages.registration.texts import language_of, texts_in_force
from harmony.messages.results import NotSent
from harmony.models import ChannelKind, Device, Integration, MailServer, Message, Profile
from harmony.protection.risk import platform_of

_DELETED = NotSent("The device was deleted.")
_REGISTERED = NotSent("Protect is registered on this device already.")
_OTHER_PLATFORM = NotSent("Protect is for iOS and Android devices.")
_OFF = NotSent("The notification was switched off before this message was sent.")
_NO_ADDRESS = {
    ChannelKind.EMAIL: NotSent("There is no email address of this device."),
    ChannelKind.SMS: NotSent("There is no telephone number of this device."),
}
_NO_SERVER = NotSent("HARMONY_PUBLIC_URL is not set, so there is no address to register at.", failed=True)


def compose_registration(session: Session, message: Message) -> Envelope | NotSent:
    """Return the message for a device that still needs one."""
    device = session.get(Device, message.device_id)
    if device is None or device.deleted_at is not None:
        return _DELETED
    integration = session.get_one(Integration, device.integration_id)
    profiles = _profiles_to_register(session, device, integration)
    channel, server = ChannelKind(message.channel), current_settings().public_url
    if why := _needless(device, integration, profiles, message):
        return why
    if not server:
        return _NO_SERVER
    codes = {profile: message_code(message, profile) for profile in profiles}
    days = timedelta(days=integration.in_force.deployment.code_days)
    to, org, name = address_of(device, channel), _sender(session, integration), device.user_name
    platform, language = platform_of(device.platform), language_of(message.language)
    texts = texts_in_force(session, language.key)
    expires = store_message_codes(message, codes, days, now())
    if expires is None:
        return _DELETED
    content = RegistrationContent(org, server, platform, codes, expires, name)
    return written(content, channel, texts, language, to)


def _profiles_to_register(session: Session, device: Device, integration: Integration) -> list[str]:
    """Return the profiles of a device that have no Protect app; "" is a device without two of them."""
    live = [Profile(row.profile) for row in live_registrations(session, device.id)]
    if has_two_profiles(device, integration):
        return [profile.value for profile in lacking(live)]
    return [] if live else [""]


def _needless(
    device: Device, integration: Integration, profiles: list[str], message: Message
) -> NotSent | None:
    channel, deployment = ChannelKind(message.channel), integration.in_force.deployment
    since = deployment.email_since if channel is ChannelKind.EMAIL else deployment.sms_since
    if not platform_of(device.platform):
        return _OTHER_PLATFORM
    if not profiles:
        return _REGISTERED
    if message.created_by == AUTOMATIC and since is None:
        return _OFF
    return None if address_of(device, channel) else _NO_ADDRESS[channel]


def _sender(session: Session, integration: Integration) -> str:
    return session.scalar(select(MailServer.sender_name)) or integration.name
