"""The groups the account sees: kept in rows after each look at the UEM, so that pages need no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import delete, insert, select

from harmony.db import db, write
from harmony.models import KnownGroup
from harmony.models.configuration import ChosenGroup
from harmony.tagging.root_group import topmost
from harmony.uem.records import Group, GroupKind


def remember(integration_id: int, groups: Iterable[Group]) -> None:
    """Replace the list of known groups by what the UEM says now."""
    rows = {
        (group.kind, group.external_id): {
            "integration_id": integration_id,
            "kind": group.kind.value,
            "external_id": group.external_id,
            "name": group.name,
            "type": group.type,
            "devices": group.devices,
            "parent_id": group.parent_id,
            "organization_group_id": group.organization_group_id,
        }
        for group in groups
    }
    with write() as session:
        session.execute(delete(KnownGroup).where(KnownGroup.integration_id == integration_id))
        if rows:
            session.execute(insert(KnownGroup), list(rows.values()))


def known(integration_id: int) -> Sequence[KnownGroup]:
    """Return the known groups: organization groups first, each kind by name."""
    return db.session.scalars(
        select(KnownGroup)
        .where(KnownGroup.integration_id == integration_id)
        .order_by(KnownGroup.kind, KnownGroup.name, KnownGroup.external_id)
    ).all()


def key(kind: str, external_id: str) -> str:
    """Return how a form names a group: `organization:570`."""
    return f"{kind}:{external_id}"


def chosen(
    visible: Sequence[KnownGroup],
    keys: Iterable[str],
    android: Iterable[str],
    former: Iterable[ChosenGroup] = (),
) -> tuple[ChosenGroup, ...]:
    """Return the chosen groups in the order of the list, then former ones that the UEM no longer shows.

    A key that is neither known nor of `former` is left out.
    """
    wanted, both_profiles = set(keys), set(android)
    still_there = tuple(
        _chosen(group, both_profiles) for group in visible if key(group.kind, group.external_id) in wanted
    )
    return still_there + tuple(
        msgspec.structs.replace(group, android_enterprise=key(group.kind, group.external_id) in both_profiles)
        for group in no_longer_visible(visible, former)
        if key(group.kind, group.external_id) in wanted
    )


def _chosen(group: KnownGroup, both_profiles: set[str]) -> ChosenGroup:
    return ChosenGroup(
        kind=group.kind,
        external_id=group.external_id,
        name=group.name,
        organization_group_id=group.organization_group_id,
        android_enterprise=key(group.kind, group.external_id) in both_profiles,
    )


def no_longer_visible(visible: Iterable[KnownGroup], former: Iterable[ChosenGroup]) -> list[ChosenGroup]:
    """Return the groups of `former` that the account no longer sees."""
    seen = {(group.kind, group.external_id) for group in visible}
    return [group for group in former if (group.kind, group.external_id) not in seen]


def top(visible: Iterable[KnownGroup]) -> tuple[str, str]:
    """Return id and name of the organization group that tags live in; both are "" while none is known."""
    names = {group.external_id: group for group in visible if group.kind == GroupKind.ORGANIZATION}
    id_ = topmost((group.external_id, group.parent_id) for group in names.values())
    return (id_, names[id_].name) if id_ else ("", "")
