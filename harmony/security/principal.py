"""Principal: who a request acts for, and how far that reaches. Pages and the API share it."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g, has_request_context

from harmony.db.personal import hide_personal_data
from harmony.models import Role, User


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a key. `scope` holds the keys of device groups (`group_key`); None is every device."""

    user_id: int | None
    name: str
    role: Role
    scope: frozenset[str] | None = None
    hides_personal_data: bool = False


def group_key(integration_id: int, group_id: str) -> str:
    """Return the key of a device group: the organization group of a device within its integration."""
    return f"{integration_id}:{group_id}"


def principal_of(user: User, *, hides_personal_data: bool) -> Principal:
    """Return the principal of a user. A scope never narrows an administrator."""
    role = Role(user.role)
    scope = None if user.scope is None or role is Role.ADMINISTRATOR else frozenset(user.scope)
    return Principal(user.id, user.name, role, scope, hides_personal_data)


def set_principal(principal: Principal | None) -> None:
    """Let the rest of this request act for `principal`, and see personal data or not."""
    g.principal = principal
    hide_personal_data(principal is not None and principal.hides_personal_data)


def current_principal() -> Principal | None:
    """Return who this request acts for; None on public pages and outside of requests."""
    found: Principal | None = g.get("principal") if has_request_context() else None
    return found
