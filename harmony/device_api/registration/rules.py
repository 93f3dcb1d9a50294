"""PURE: decide whether a registration may supersede what is registered on the device already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harmony.models.states import DeviceStatus, Profile

# On a device with two profiles each may have a Protect app of its own; one for all of it excludes both.
_BOTH = (Profile.PERSONAL, Profile.WORK)


class LiveRegistration(NamedTuple):
    """A registration that has not ended; `platform` as its Protect app said."""

    profile: Profile
    platform: str


@dataclass(frozen=True, slots=True)
class Situation:
    """The circumstances of a device when an app asks to register on it.

    `uem_platform` is "" where the UEM has not said or says something else than iOS and Android.
    `two_profiles`: an Android Enterprise device, on which two Protect apps are expected.
    """

    status: DeviceStatus
    live: Sequence[LiveRegistration] = ()
    uem_platform: str = ""
    two_profiles: bool = False


def superseded(profile: Profile, live: Iterable[Profile]) -> list[Profile]:
    """Return which of the `live` registrations of a device end when one for `profile` is made.

    >>> superseded(Profile.WORK, [Profile.PERSONAL, Profile.WORK])
    [<Profile.WORK: 'work'>]
    >>> superseded(Profile.DEVICE, [Profile.PERSONAL])
    [<Profile.PERSONAL: 'personal'>]
    """
    return [other for other in live if other == profile or Profile.DEVICE in {other, profile}]


def rejection(now: Situation, profile: Profile, platform: str, *, authorized: bool) -> str | None:
    """Return the error code that rejects this registration; None if it may be made.

    `authorized`: with a registration code, or the key of an app of this platform on the device. Everybody
    else has what every device of the fleet knows: it neither supersedes an app on a device in contact, nor
    puts a second one beside it, but for the other profile of an Android Enterprise device.
    """
    if now.uem_platform not in {"", platform}:
        return "platform_differs"
    if authorized:
        return None
    ending = superseded(profile, [registration.profile for registration in now.live])
    beside = [registration for registration in now.live if registration.profile not in ending]
    if any(registration.platform not in {"", platform} for registration in beside):
        return "already_registered"
    taken = ending or (beside and not now.two_profiles)
    return "already_registered" if taken and now.status is DeviceStatus.ACTIVE else None


def lacking(live: Iterable[Profile]) -> list[Profile]:
    """Return the profiles of a device with two of them that have no Protect app.

    >>> lacking([Profile.WORK]), lacking([Profile.DEVICE])
    ([<Profile.PERSONAL: 'personal'>], [])
    """
    there = set(live)
    return [] if Profile.DEVICE in there else [profile for profile in _BOTH if profile not in there]
