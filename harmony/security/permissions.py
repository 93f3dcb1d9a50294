"""Permissions: which role has which, and the mark that tells what a view needs."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from werkzeug.exceptions import Forbidden

from harmony.models import Role
from harmony.security.principal import Principal

_View = TypeVar("_View", bound=Callable[..., Any])

_NEEDS = "harmony_needs"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Permission(StrEnum):
    """A right. Those that end with `_all` concern the whole dashboard, and are lost with a scope."""

    VIEW = "view"
    VIEW_ALL = "view_all"
    OPERATE = "operate"
    OPERATE_ALL = "operate_all"
    ADMINISTER = "administer"


# What each permission allows, as the documents and the refusals say it.
MEANINGS = {
    Permission.VIEW: "see devices, findings, apps, events and the overview; the own account",
    Permission.VIEW_ALL: "see integrations, runs, tags, deletions on hold, policy and exceptions",
    Permission.OPERATE: "act on devices: restore, delete, reset, registration codes and messages",
    Permission.OPERATE_ALL: "sync, pause, push tags, approve or dismiss deletions, resend messages",
    Permission.ADMINISTER: "change integrations, policy, exceptions, messages, connectors and users; "
    "read the audit",
}
_VIEWER = frozenset({Permission.VIEW, Permission.VIEW_ALL})
ROLES: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _VIEWER | {Permission.OPERATE, Permission.OPERATE_ALL},
    Role.ADMINISTRATOR: frozenset(Permission),
}
# A person whose access is limited to device groups keeps only what is filtered by them.
WITHIN_SCOPE = frozenset({Permission.VIEW, Permission.OPERATE})


class NotPermitted(Forbidden):
    """A signed-in person asked for more than their role or scope allows."""

    advice = "Ask an administrator if you need it."

    def __init__(self, principal: Principal, permission: Permission) -> None:
        super().__init__(refusal(principal, permission))


def needs(permission: Permission) -> Callable[[_View], _View]:
    """Mark a view with the permission it needs. Goes below the route's decorator."""

    def mark(view: _View) -> _View:
        view.__dict__[_NEEDS] = permission
        return view

    return mark


def needed_by(view: object, method: str) -> Permission:
    """Return what a view needs. Without a mark: reading needs VIEW_ALL, anything else ADMINISTER."""
    marked: Permission | None = getattr(view, "__dict__", {}).get(_NEEDS)
    return marked or (Permission.VIEW_ALL if method in _READING else Permission.ADMINISTER)


def is_permitted(principal: Principal | None, permission: Permission) -> bool:
    """Tell if a principal has a permission; nobody has none."""
    if principal is None or permission not in ROLES[principal.role]:
        return False
    return principal.scope is None or permission in WITHIN_SCOPE


def table() -> str:
    """Return the table of docs/security.md: a permission a row, a role a column."""
    roles = list(Role)
    head = ["May", *(role.value for role in roles), "within a scope"]
    rows = [
        [
            MEANINGS[permission],
            *("yes" if permission in ROLES[role] else "no" for role in roles),
            "yes" if permission in WITHIN_SCOPE else "no",
        ]
        for permission in Permission
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def refusal(principal: Principal, permission: Permission) -> str:
    """Return the sentence that says why this is refused."""
    if permission in ROLES[principal.role]:
        return "Your access is limited to some device groups, and this concerns all of them."
    able = [role.value for role in Role if permission in ROLES[role]]
    return f"This needs the role {' or '.join(able)}. Yours is {principal.role.value}."
