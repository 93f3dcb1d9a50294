"""Tags of ours that are left on devices, before an integration is removed, and how far taking them off is."""

from __future__ import annotations

from dataclasses import dataclass

from harmony.models import Integration, IntegrationState
from harmony.tagging.removal import taking_off
from harmony.web.tags import queries as tag_queries
from harmony.web.tags.text import switched_on

FINISHED = {IntegrationState.ACTIVE, IntegrationState.PAUSED}


@dataclass(frozen=True, slots=True)
class TagsLeft:
    """`devices` carry a tag of ours as far as is known; `begun`: the worker takes every tag off.

    `over`: it has done so. `possible`: it may talk to the UEM at all.
    """

    devices: int = 0
    begun: bool = False
    over: bool = False
    possible: bool = False

    def __bool__(self) -> bool:
        """Whether there is something to ask about."""
        return bool(self.devices) or self.begun


def tags_left(integration: Integration) -> TagsLeft:
    """Read from the rows; nothing where the link to the UEM is no more, or was never there."""
    if integration.state not in FINISHED:
        return TagsLeft()
    off = not switched_on(integration.in_force.tagging)
    devices, retired = tag_queries.tagged_devices(integration.id), taking_off(integration.id).tags
    return TagsLeft(
        devices=devices,
        begun=off and retired > 0,
        over=off and not retired and not devices,
        possible=integration.state == IntegrationState.ACTIVE and integration.stopped_why is None,
    )
