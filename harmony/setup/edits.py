"""PURE: what an edit of a page that is in force means for the syncs after it."""

from __future__ import annotations

from collections.abc import Iterable

from harmony.models.configuration import ServerDetails, Synchronization, Tagging
from harmony.tagging.names import is_managed, name_of, tag_key
from harmony.uem.trust.address import reduced

# The toggles for personal data with their labels, in the order of the page.
_PERSONAL = {"import_name": "Device name", "import_number": "Device number", "import_email": "Device email"}


def another_source(before: ServerDetails, after: ServerDetails) -> bool:
    """Tell whether the devices now come from another server, or are seen by another account.

    A new secret of the same account is no other source.
    """
    return _source(before) != _source(after)


def another_scope(before: Synchronization, after: Synchronization) -> bool:
    """Tell whether other groups are read; their order and their Android profile do not matter."""
    return _scope(before) != _scope(after)


def switched_off(before: Synchronization, after: Synchronization) -> list[str]:
    """The labels of the personal data that was imported and is no longer to be."""
    return [label for name, label in _PERSONAL.items() if getattr(before, name) and not getattr(after, name)]


def switched_on(before: Synchronization, after: Synchronization) -> list[str]:
    """The labels of the personal data that is to be imported from now on."""
    return switched_off(after, before)


def left_behind(before: Tagging, after: Tagging, keys: Iterable[str]) -> list[str]:
    """Of the keys of tags in use those that are switched off, or are called otherwise from now on.

    Another spelling of the same name is no other name: for the UEM it is the same tag.

    >>> left_behind(Tagging(), Tagging(tag_risk=False, prefix="X_"), ["status:active", "risk:high"])
    ['status:active', 'risk:high']
    """
    managed = [key for key in keys if is_managed(key, before)]
    return [key for key in managed if not is_managed(key, after) or _renamed(key, before, after)]


def _renamed(key: str, before: Tagging, after: Tagging) -> bool:
    return tag_key(name_of(key, before)) != tag_key(name_of(key, after))


def _source(server: ServerDetails) -> tuple[str | bool, ...]:
    account = (server.token_address, server.client_id) if server.use_oauth2 else (server.username,)
    return (reduced(server.server_address).rstrip("/").casefold(), server.use_oauth2, *account)


def _scope(choice: Synchronization) -> set[tuple[str, str]]:
    return {(group.kind, group.external_id) for group in choice.groups}
