"""The mail server and the channels: saved with their secrets sealed, tried by a test message."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import write
from harmony.mail.envelope import Envelope
from harmony.messages import outbox
from harmony.messages.channel import PASSWORD_BOUND_TO, Way, mail_origin, open_sender, url_bound_to
from harmony.models import ChannelKind, MailServer, Message, MessageChannel
from harmony.security.vault import vault

_TEXT = "This is a test message of Harmony. Whoever reads it can be reached on this channel."


class ChangedMeanwhile(Exception):
    """Somebody else saved the same settings since they were shown."""


@dataclass(frozen=True, slots=True)
class MailServerValues:
    """The mail server as an administrator typed it; an empty `password` keeps the saved one."""

    host: str
    port: int
    security: str
    username: str
    sender: str
    sender_name: str
    certificate: str
    connector: str = ""
    password: str = field(default="", repr=False)


def mail_server(session: Session) -> MailServer | None:
    """Return the mail server of the installation."""
    return session.scalar(select(MailServer))


def keeps_password(saved: MailServer | None, values: MailServerValues) -> bool:
    """Tell whether the saved password is for this host, port, user and Connector."""
    if saved is None or not saved.password:
        return False
    own = (saved.host, saved.port, saved.username, saved.connector)
    return own == (values.host, values.port, values.username, values.connector)


def save_mail_server(values: MailServerValues, edition: int, by: str, now: datetime) -> None:
    """Save the mail server; `edition` is the one that was shown, 0 for none. Raises ChangedMeanwhile."""
    with write() as session:
        saved = mail_server(session)
        if (saved.edition if saved else 0) != edition:
            raise ChangedMeanwhile
        kept = saved.password if saved and keeps_password(saved, values) else ""
        former = (f"{saved.host}:{saved.port}", saved.connector) if saved else ("", "")
        server = saved or MailServer()
        server.host, server.port, server.security = values.host, values.port, values.security
        server.username, server.certificate = values.username, values.certificate
        server.sender, server.sender_name = values.sender, values.sender_name
        server.connector, server.edition = values.connector, edition + 1
        server.password = _sealed(values, mail_origin(server)) or (kept if values.username else "")
        session.add(server)
        place = f"{server.host}:{server.port}"
        changes = [("Server", former[0], place), ("Connector", former[1], server.connector)]
        audit(session, by, "Changed the mail server", now, detail=place, changes=changes)
        outbox.wake(session, Message.channel == ChannelKind.EMAIL, now=now)


def remove_mail_server(by: str, now: datetime) -> None:
    """Forget the mail server with its password; what waits for it is tried until its day is over."""
    with write() as session:
        server = mail_server(session)
        if server is not None:
            session.delete(server)
            audit(session, by, "Removed the mail server", now, detail=f"{server.host}:{server.port}")


def add_channel(kind: ChannelKind, name: str, url: str, by: str, now: datetime) -> int:
    """Add a gateway; its address is sealed whole. Return its id."""
    with write() as session:
        channel = MessageChannel(kind=kind, name=name, url="")
        session.add(channel)
        session.flush()
        channel.url = vault().seal(url, url_bound_to(channel.id))
        audit(session, by, "Added a message channel", now, detail=name)
        return channel.id


def save_channel(channel_id: int, name: str, url: str, edition: int, *, by: str, now: datetime) -> None:
    """Change the name of a gateway and, unless `url` is empty, its address. Raises ChangedMeanwhile."""
    with write() as session:
        channel = session.get(MessageChannel, channel_id)
        if channel is None or channel.edition != edition:
            raise ChangedMeanwhile
        channel.name, channel.edition = name, edition + 1
        if url:
            channel.url = vault().seal(url, url_bound_to(channel_id))
        audit(session, by, "Changed a message channel", now, detail=name)
        outbox.wake(session, Message.channel_id == channel_id, now=now)


def remove_channel(channel_id: int, by: str, now: datetime) -> None:
    """Remove a gateway with the messages that were sent over it or wait for it."""
    with write() as session:
        channel = session.get(MessageChannel, channel_id)
        if channel is not None:
            session.delete(channel)
            audit(session, by, "Removed a message channel", now, detail=channel.name)


def send_test(way: Way, recipient: str, now: datetime) -> str:
    """Send a test message at once and return what the server answered. Raises DeliveryError."""
    with open_sender(way) as sender:
        return sender.send(
            Envelope(recipient, _TEXT, "Test message of Harmony"), f"test.{now:%Y%m%d%H%M%S%f}"
        )


def _sealed(values: MailServerValues, origin: str) -> str:
    if not values.password or not values.username:
        return ""
    return vault().seal(values.password, PASSWORD_BOUND_TO, origin)
