"""The proxy of the installation: saved with its password sealed, read for every direct call."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.db import db
from harmony.models import OutboundProxy
from harmony.security.vault import vault
from harmony.uem.trust.proxy import Proxy

BOUND_TO = "outbound_proxy:password"


class ProxyChangedMeanwhile(Exception):
    """Somebody else saved the proxy since it was shown."""


@dataclass(frozen=True, slots=True)
class ProxyValues:
    """The proxy as an administrator typed it; an empty `password` keeps the saved one."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)


def saved_proxy(session: Session) -> OutboundProxy | None:
    """Return the row of the proxy, if there is one."""
    return session.scalar(select(OutboundProxy))


def proxy_in_force() -> Proxy | None:
    """Return the proxy that direct calls leave through. Raises VaultLocked."""
    saved = saved_proxy(db.session())
    if saved is None:
        return None
    password = saved.password and vault().open(
        saved.password, BOUND_TO, _origin_of_proxy(saved.host, saved.port)
    )
    return Proxy(saved.host, saved.port, saved.username, password)


def keeps_password(saved: OutboundProxy | None, values: ProxyValues) -> bool:
    """Tell whether the saved password is for this host, port and user."""
    if saved is None or not saved.password:
        return False
    return (saved.host, saved.port, saved.username) == (values.host, values.port, values.username)


def put(session: Session, values: ProxyValues, edition: int) -> None:
    """Save the proxy; `edition` is the one that was shown, 0 for none. Raises ProxyChangedMeanwhile."""
    saved = saved_proxy(session)
    if (saved.edition if saved else 0) != edition:
        raise ProxyChangedMeanwhile
    kept = saved.password if saved and keeps_password(saved, values) else ""
    proxy = saved or OutboundProxy()
    proxy.host, proxy.port, proxy.username, proxy.edition = (
        values.host,
        values.port,
        values.username,
        edition + 1,
    )
    proxy.password = _sealed(values) or (kept if values.username else "")
    session.add(proxy)


def _origin_of_proxy(host: str, port: int) -> str:
    """Return where the password may be sent."""
    return f"proxy://{host}:{port}"


def _sealed(values: ProxyValues) -> str:
    if not values.password or not values.username:
        return ""
    return vault().seal(values.password, BOUND_TO, _origin_of_proxy(values.host, values.port))
