"""PURE: may this registration take the place of what is registered on the device already?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harmony.models.states import DeviceStatus, Profile

# On a device with two profiles each may have a Protect app of its own; one for all of it excludes both.
BOTH = (Profile.PERSONAL, Profile.WORK)


class Live(NamedTuple):
    """A registration that has not ended; `platform` as its Protect app said."""

    profile: Profile
    platform: str


@dataclass(frozen=True, slots=True)
class Situation:
    """How things stand on a device when an app asks to register on it.

    `uem_platform` is "" where the UEM has not said or says something else than iOS and Android.
    `two_profiles`: an Android Enterprise device, on which two Protect apps are expected.
    """

    status: DeviceStatus
    live: Sequence[Live] = ()
    uem_platform: str = ""
    two_profiles: bool = False


def displaced(profile: Profile, live: Iterable[Profile]) -> list[Profile]:
    """Which of the `live` registrations of a device end when one for `profile` is made.

    >>> displaced(Profile.WORK, [Profile.PERSONAL, Profile.WORK])
    [<Profile.WORK: 'work'>]
    >>> displaced(Profile.DEVICE, [Profile.PERSONAL])
    [<Profile.PERSONAL: 'personal'>]
    """
    return [one for one in live if one == profile or Profile.DEVICE in {one, profile}]


def refusal(now: Situation, profile: Profile, platform: str, *, entitled: bool) -> str | None:
    """The error code with which this registration is refused; None when it may be made.

    `entitled` has a registration code, or the key of an app of this platform on the device. Everybody else
    has what every device of the fleet knows: it neither takes the place of an app on a device in contact, nor
    puts a second one beside it, but for the other profile of an Android Enterprise device.
    """
    if now.uem_platform not in {"", platform}:
        return "platform_differs"
    if entitled:
        return None
    ending = displaced(profile, [registration.profile for registration in now.live])
    beside = [registration for registration in now.live if registration.profile not in ending]
    if any(registration.platform not in {"", platform} for registration in beside):
        return "already_registered"
    taken = ending or (beside and not now.two_profiles)
    return "already_registered" if taken and now.status is DeviceStatus.ACTIVE else None


def lacking(live: Iterable[Profile]) -> list[Profile]:
    """The profiles of a device with two of them that no Protect app looks after.

    >>> lacking([Profile.WORK]), lacking([Profile.DEVICE])
    ([<Profile.PERSONAL: 'personal'>], [])
    """
    there = set(live)
    return [] if Profile.DEVICE in there else [one for one in BOTH if one not in there]
