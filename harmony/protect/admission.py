"""PURE: may this registration take the place of what is registered on the device already?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harmony.models.states import DeviceStatus, Profile

# On a device with two profiles each may have a Protect app of its own; one for all of it excludes both.
BOTH = (Profile.PERSONAL, Profile.WORK)


def displaced(profile: Profile, live: Iterable[Profile]) -> list[Profile]:
    """Which of the `live` registrations of a device end when one for `profile` is made.

    >>> displaced(Profile.WORK, [Profile.PERSONAL, Profile.WORK])
    [<Profile.WORK: 'work'>]
    >>> displaced(Profile.DEVICE, [Profile.PERSONAL])
    [<Profile.PERSONAL: 'personal'>]
    """
    return [one for one in live if one == profile or Profile.DEVICE in {one, profile}]


def may_register(status: DeviceStatus, displacing: Sequence[Profile], *, entitled: bool) -> bool:
    """Whether the token alone is enough; `entitled` has the old key or a fresh code.

    A device in contact cannot be taken over with what every device of the fleet knows.
    """
    return entitled or not displacing or status is not DeviceStatus.ACTIVE


def lacking(live: Iterable[Profile]) -> list[Profile]:
    """The profiles of a device with two of them that no Protect app looks after.

    >>> lacking([Profile.WORK]), lacking([Profile.DEVICE])
    ([<Profile.PERSONAL: 'personal'>], [])
    """
    there = set(live)
    return [] if Profile.DEVICE in there else [one for one in BOTH if one not in there]
