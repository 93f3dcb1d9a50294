"""The organization group that tags live in: the one above all others that the account sees (facts §2.3)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from harmony.db import db
from harmony.models import KnownGroup
from harmony.uem.client import UemClient
from harmony.uem.records import GroupKind


def known_root_group(integration_id: int) -> str | None:
    """Return its id as Verify last saw the groups; None when it never did."""
    conditions = (KnownGroup.integration_id == integration_id, KnownGroup.kind == GroupKind.ORGANIZATION)
    ids = select(KnownGroup.external_id, KnownGroup.parent_id).where(*conditions)
    return topmost((row[0], row[1]) for row in db.session.execute(ids))


def current_root_group(client: UemClient) -> str | None:
    """Return its id as the UEM says now."""
    groups = (group for group in client.groups() if group.kind is GroupKind.ORGANIZATION)
    return topmost((group.external_id, group.parent_id) for group in groups)


def topmost(groups: Iterable[tuple[str, str | None]]) -> str | None:
    """The oldest group whose parent is not among them; groups come as (id, id of the parent), in any order.

    An account that sees several trees must find its tags in the same one, whoever looks.

    >>> topmost([("1001", None), ("571", "570"), ("570", None)])
    '570'
    """
    every = list(groups)
    ids = {id_ for id_, _ in every}
    tops = (id_ for id_, parent in every if parent not in ids)
    return min(tops, key=lambda id_: (len(id_), id_), default=None)
