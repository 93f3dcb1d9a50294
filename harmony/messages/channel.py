"""A channel: mail, or a gateway for SMS or chat; how it is opened, and how much it takes in an hour."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import select

from harmony.db import db, release
from harmony.jobs.uem_client import outbound_policy
from harmony.mail.envelope import Envelope
from harmony.mail.faults import MailAccess
from harmony.mail.smtp import open_mail
from harmony.messages.gateway_address import WEBHOOK, scheme_of
from harmony.messages.gateways import ApprisedService, Webhook
from harmony.messages.results import NotConfigured
from harmony.models import ChannelKind, MailServer, MessageChannel
from harmony.relay.mail import open_relayed_mail
from harmony.security.vault import VaultLocked, on_the_way, vault

# Less than what providers and telephone companies take for a storm.
PER_HOUR = {ChannelKind.EMAIL: 1000, ChannelKind.SMS: 200, ChannelKind.CHAT: 200}
PASSWORD_BOUND_TO = "mail_server:password"  # noqa: S105 - where it is kept, not what it is
_SET_UP = "Set it up on the Messages page."


@dataclass(frozen=True, slots=True)
class Way:
    """The channel of some messages; `channel_id` is None for mail."""

    kind: ChannelKind
    channel_id: int | None = None


class Sender(Protocol):
    """An open channel. `send` returns what the server answered, or raises DeliveryError.

    `reference` names the message, the same at each try, so that a second copy can be recognised.
    """

    def send(self, envelope: Envelope, reference: str) -> str: ...


def open_sender(way: Way) -> AbstractContextManager[Sender]:
    """Open a channel for some messages. Raises DeliveryError; no transaction is left open."""
    try:
        if way.kind is ChannelKind.EMAIL:
            return _open_mail(_mail_server())
        return nullcontext(_gateway(way))
    except VaultLocked as locked:
        raise NotConfigured(locked.sentence, locked.advice) from None
    finally:
        release()


def mail_origin(server: MailServer) -> str:
    """Return where the password may be sent."""
    return on_the_way(f"smtp://{server.host}:{server.port}", server.connector)


def url_bound_to(channel_id: int) -> str:
    """Name what the sealed address of a channel is bound to."""
    return f"message_channel:{channel_id}:url"


def _mail_server() -> MailServer:
    server: MailServer | None = db.session.scalar(select(MailServer))
    if server is None:
        raise NotConfigured("There is no mail server.", _SET_UP)
    return server


def _open_mail(server: MailServer) -> AbstractContextManager[Sender]:
    if server.connector:
        return open_relayed_mail(_mail_access(server), server.connector)
    # The proxy is for HTTP; few let a connection to a mail server pass.
    return open_mail(_mail_access(server), replace(outbound_policy(), proxy=None))


def _mail_access(server: MailServer) -> MailAccess:
    password = server.password and vault().open(server.password, PASSWORD_BOUND_TO, mail_origin(server))
    return MailAccess(
        server.host, server.port, server.security, server.sender, server.sender_name,
        server.username, password, server.certificate,
    )  # fmt: skip


def _gateway(way: Way) -> Webhook | ApprisedService:
    channel = db.session.get(MessageChannel, way.channel_id) if way.channel_id is not None else None
    if channel is None or channel.kind != way.kind:
        raise NotConfigured("This channel does not exist.", _SET_UP)
    url = vault().open(channel.url, url_bound_to(channel.id))
    kind = Webhook if scheme_of(url) in WEBHOOK else ApprisedService
    return kind(url, way.kind, outbound_policy())
