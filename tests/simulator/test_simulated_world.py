"""The world: the same for the same seed, with the shape the facts describe."""

from __future__ import annotations

from harmony.simulator import apps, changes, hostile, names
from harmony.simulator.records import ENCODE
from harmony.simulator.world import EPOCH, World


def bodies(world: World) -> list[bytes]:
    return [device.body for device in world.devices.values()]


def test_the_same_arguments_make_the_same_bytes() -> None:
    assert bodies(World(400, 7)) == bodies(World(400, 7))
    assert World(400, 7).groups == World(400, 7).groups
    assert World(400, 7).tags == World(400, 7).tags


def test_another_seed_makes_other_devices() -> None:
    assert set(bodies(World(50, 1))).isdisjoint(bodies(World(50, 2)))


def test_a_smaller_world_with_as_many_users_is_the_start_of_a_larger_one() -> None:
    world = World(50, 1)
    assert changes.add(world, 3) == [60051, 60052, 60053]


def test_the_tree_is_three_levels_deep_under_one_customer() -> None:
    groups = World(0).groups.values()
    assert {group.level for group in groups} == {0, 1, 2}
    assert [group.type for group in groups if group.parent is None] == ["Customer"]


def test_a_device_is_about_as_large_as_the_recorded_one() -> None:
    world = World(1000, quirks=False)
    assert 2000 < sum(map(len, bodies(world))) / 1000 < 2400


def test_all_four_platforms_and_ownerships_occur() -> None:
    devices = World(600).devices.values()
    assert {one.platform for one in devices} == {"Apple", "Android", "AppleOsX", "WinRT"}
    assert {one.ownership for one in devices} == {"C", "S", "E", "Undefined"}


def test_some_users_have_several_devices() -> None:
    users = [device.user for device in World(100, quirks=False).devices.values()]
    assert len(set(users)) < len(users)


def test_every_quirk_occurs_on_a_small_share_of_the_devices() -> None:
    plain, bent = World(375, quirks=False), World(375)
    labs, hostile_labs = b'"Labs"', ENCODE(names.HOSTILE["Labs"])
    pairs = zip(bodies(plain), bodies(bent), strict=True)
    different = [a for a, b in pairs if a.replace(labs, hostile_labs) != b]
    assert len(different) == len(hostile.QUIRKS) == 15


def test_without_quirks_no_name_of_a_group_tag_smart_group_or_app_is_hostile() -> None:
    world = World(200, quirks=False)
    named = [thing.name for kind in (world.groups, world.smart_groups, world.tags) for thing in kind.values()]
    named += [name for ident in world.devices for _, name, _ in apps.installed(world, ident)]
    assert {"Labs", "Scanners", "Lost and Found", "Photo Editor", "Spreadsheets"} <= set(named)
    assert not set(named) & set(names.HOSTILE.values())


def test_direct_members_of_all_groups_are_the_inclusive_members_of_the_top() -> None:
    world = World(300)
    direct = sorted(ident for group in world.groups for ident in world.direct(group))
    assert direct == world.inclusive(570) == sorted(world.devices)


def test_smart_groups_span_groups_and_one_is_empty() -> None:
    world = World(300)
    members = {group.name: world.members(group.id) for group in world.smart_groups.values()}
    assert len({world.devices[ident].group for ident in members["MTD pilot"]}) == 3
    assert members["Retired pilot"] == []


def test_a_moved_device_is_counted_where_it_went() -> None:
    world = World(100)
    ident = world.direct(572)[0]
    changes.move(world, [ident], 588)
    assert world.direct(588) == [ident]
    assert ident not in world.direct(572)
    assert world.devices[ident].json()["LocationGroupId"]["Id"]["Value"] == 588


def test_a_device_that_hides_its_id_can_still_be_edited() -> None:
    world = World(30)
    changes.edit(world, [60001], {"Model": 5}, ["Id", "Imei"])
    body = world.devices[60001].json()
    assert body["Model"] == 5
    assert "Id" not in body


def test_removing_a_device_takes_its_tags_along() -> None:
    world = World(60)
    ident = next(iter(world.tags[10001].devices))
    assert changes.remove(world, [ident, 1]) == 1
    assert ident not in world.tags[10001].devices


def test_touch_moves_last_seen_of_all_devices() -> None:
    world = World(10)
    assert changes.touch(world, None, EPOCH) == 10
    assert {device.json()["LastSeen"] for device in world.devices.values()} == {"2026-11-01T08:00:00.000"}


def test_touch_reaches_devices_without_a_date_or_with_a_strange_one() -> None:
    world = World(3)
    changes.edit(world, [60001], {}, ["LastSeen"])
    changes.edit(world, [60002], {"LastSeen": 'a"b'})
    changes.edit(world, [60003], {"DeviceFriendlyName": '"LastSeen":"x"', "LastSeen": "x"})
    changes.touch(world, None, EPOCH)
    assert {device.json()["LastSeen"] for device in world.devices.values()} == {"2026-11-01T08:00:00.000"}
    assert world.devices[60003].json()["DeviceFriendlyName"] == '"LastSeen":"x"'
