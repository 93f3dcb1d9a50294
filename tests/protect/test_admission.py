"""Who may register where: the whole table (rung: pure)."""

from __future__ import annotations

import pytest

from harmony.models.states import DeviceStatus, Profile
from harmony.protect.admission import displaced, lacking, may_register

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
    assert displaced(asked, live) == ends


@pytest.mark.parametrize("status", DeviceStatus)
@pytest.mark.parametrize("displacing", [[], [D]])
@pytest.mark.parametrize("entitled", [True, False])
def test_only_an_active_device_is_shut_to_the_token_alone(
    status: DeviceStatus, displacing: list[Profile], entitled: bool
) -> None:
    refused = status is DeviceStatus.ACTIVE and displacing == [D] and not entitled
    assert may_register(status, displacing, entitled=entitled) is not refused


@pytest.mark.parametrize(("live", "missing"), [([], [P, W]), ([W], [P]), ([P, W], []), ([D], [])])
def test_a_device_with_two_profiles_needs_both(live: list[Profile], missing: list[Profile]) -> None:
    assert lacking(live) == missing
