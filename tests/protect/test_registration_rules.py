"""Who may register where: the whole table (rung: pure)."""

from __future__ import annotations

import pytest

from harmony.device_api.registration.rules import LiveRegistration, Situation, lacking, rejection, superseded
from harmony.models.states import DeviceStatus, Profile

D, P, W = Profile.DEVICE, Profile.PERSONAL, Profile.WORK


@pytest.fixture
def database() -> str:
    """None is used."""
    return "sqlite"


@pytest.mark.parametrize(
    ("asked", "live", "ends"),
    [
        (D, [], []), (W, [], []), (D, [D], [D]), (W, [W], [W]), (P, [W], []), (W, [P, W], [W]),
        (D, [P, W], [P, W]), (P, [D], [D]),
    ],
)  # fmt: skip
def test_one_profile_gives_way_to_itself_and_the_whole_device_to_a_part(
    asked: Profile, live: list[Profile], ends: list[Profile]
) -> None:
    assert superseded(asked, live) == ends


def live(*profiles: Profile, platform: str = "android") -> list[LiveRegistration]:
    return [LiveRegistration(profile, platform) for profile in profiles]


@pytest.mark.parametrize("status", DeviceStatus)
@pytest.mark.parametrize("two_profiles", [True, False])
@pytest.mark.parametrize("authorized", [True, False])
@pytest.mark.parametrize(
    ("asked", "there"), [(D, []), (D, [D]), (W, [D]), (W, [W]), (D, [P, W]), (W, [P]), (P, [W]), (W, [P, W])]
)
def test_an_active_device_is_open_to_the_token_only_for_the_profile_that_is_expected(
    asked: Profile, there: list[Profile], authorized: bool, two_profiles: bool, status: DeviceStatus
) -> None:
    expected = two_profiles and {asked, *there} == {P, W} and len(there) == 1
    refused = status is DeviceStatus.ACTIVE and there and not authorized and not expected
    found = rejection(
        Situation(status, live(*there), "", two_profiles), asked, "android", authorized=authorized
    )
    assert found == ("already_registered" if refused else None)


@pytest.mark.parametrize("status", DeviceStatus)
@pytest.mark.parametrize("authorized", [True, False])
@pytest.mark.parametrize("said", ["ios", "android"])
@pytest.mark.parametrize("told", ["ios", "android", ""])
def test_nobody_registers_with_another_platform_than_the_uem_lists(
    told: str, said: str, authorized: bool, status: DeviceStatus
) -> None:
    found = rejection(Situation(status, [], told, True), P, said, authorized=authorized)
    assert found == ("platform_differs" if told not in {"", said} else None)


@pytest.mark.parametrize("status", DeviceStatus)
def test_a_second_profile_is_of_the_platform_of_the_first(status: DeviceStatus) -> None:
    now = Situation(status, live(P, platform="android"), "", two_profiles=True)
    assert rejection(now, W, "ios", authorized=False) == "already_registered"
    assert rejection(now, W, "android", authorized=False) is None
    assert rejection(now, W, "ios", authorized=True) is None


@pytest.mark.parametrize(("live", "missing"), [([], [P, W]), ([W], [P]), ([P, W], []), ([D], [])])
def test_a_device_with_two_profiles_needs_both(live: list[Profile], missing: list[Profile]) -> None:
    assert lacking(live) == missing
