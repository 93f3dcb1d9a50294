"""The lies a UEM may tell in a run: about single endpoints, and about two at once.

Left out is what no client can tell from the truth in one run: a device that is said to be in another group
that exists, a list that is shorter and as long as it announces, an app that is said not to be installed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st

from harmony.simulator.faults import FaultBook


class Lie(NamedTuple):
    """Values for `FaultBook.add`."""

    kind: str
    path: str
    field: str = ""
    text: str = ""
    every: int = 1
    value: int | None = None
    times: int | None = None

    def tell(self, faults: FaultBook) -> None:
        """Put it in force."""
        values: dict[str, Any] = self._asdict()
        faults.add(values.pop("kind"), **values)

    @property
    def shortens(self) -> bool:
        """Rows are left out."""
        return self.kind in {"short_list", "odd_rows"}

    @property
    def lengthens(self) -> bool:
        """Rows are added, so that a shorter list may be as long as it announces."""
        return self.kind in {"ghost_rows", "doubled_rows"}


DEVICES, GROUPS, TREE = "/devices/search", "/groups/search", "/children"
SMART_GROUPS, MEMBERS = "/smartgroups/search", "/smartgroups/*/devices"
TAGS, CARRIERS, APPS = "/tags/search", "/tags/*/devices", "/devices/*/apps"
ADD, REMOVE, MAKE = "/adddevices", "/removedevices", "/addtag"

# Values that are none, or not of the right type, or stand for nothing.
ODD = ["", '""', "[]", "{}", "0", "-1", "1.5", "true", '"x"', '{"Value": null}', '{"Value": "x"}', "1e30"]
PLACEHOLDERS = ['""', '"System.Byte[]"', '"00000000-0000-0000-0000-000000000000"', '"0000000000"']
NO_GROUP = ['{"Name": "Sales", "Uuid": "x"}', '"Sales"', "571.5", '{"Id": {"Value": 999999}}', "[571]"]
TEXTS: dict[str, list[str]] = {
    "Udid": ODD + PLACEHOLDERS,
    "Uuid": ODD + PLACEHOLDERS,
    "SerialNumber": ODD + PLACEHOLDERS,
    "LocationGroupId": ODD + NO_GROUP,
    "TagName": [*ODD, '"Renamed"', '"VIP"', '"chkp_risk_high"'],
    "Value": [*ODD, "10001", '"10002"', "9223372036854775808", '{"Value": 10003}'],
}
FIELDS: dict[str, list[str]] = {
    DEVICES: [
        *("Id", "Id.Value", "Udid", "Uuid", "SerialNumber", "LastSeen", "LastEnrolledOn", "Platform"),
        *("LocationGroupId", "LocationGroupId.Id", "LocationGroupId.Id.Value", "DeviceFriendlyName"),
    ],
    GROUPS: ["Id", "Name", "Uuid"],
    TREE: ["Id", "Id.Value", "Name", "ParentLocationGroup", "ParentLocationGroup.Id.Value"],
    SMART_GROUPS: ["SmartGroupID", "Name", "ManagedByOrganizationGroupId", "Devices"],
    MEMBERS: ["Id", "Name"],
    TAGS: ["Id", "Id.Value", "TagName", "Uuid"],
    CARRIERS: ["DeviceId", "DeviceUuid"],
    APPS: ["ApplicationIdentifier", "Version", "ApplicationName", "Id"],
    ADD: ["AcceptedItems", "FailedItems", "TotalItems", "Faults", "Faults.Fault"],
    REMOVE: ["AcceptedItems", "FailedItems", "TotalItems", "Faults", "Faults.Fault"],
    MAKE: ["Value"],
}
BECOMES = ["null_field", "drop_field", "text_field", "list_field"]
BETWEEN_ROWS = ["shared_field", "swapped_field"]
LISTS = [DEVICES, GROUPS, TREE, SMART_GROUPS, MEMBERS, TAGS, CARRIERS, APPS]
WRITES = [ADD, REMOVE, MAKE]
ABOUT_LISTS = ["odd_rows", "short_list", "doubled_rows", "ghost_rows"]
ABOUT_ANSWERS = ["no_content", "empty_list", "not_found", "html_not_found", "html", "empty_200"]
ABOUT_WRITES = ["not_found", "html_not_found", "done_not_found", "html"]
EVERY = st.sampled_from([1, 1, 2, 3, 5])
TIMES = st.sampled_from([None, None, 1, 2])


def a_lie(kinds: list[str], path: str, **others: st.SearchStrategy[Any]) -> st.SearchStrategy[Lie]:
    """One of these kinds about this path."""
    values = {"kind": st.sampled_from(kinds), "path": st.just(path), "times": TIMES}
    return st.fixed_dictionaries(values | others).map(lambda found: Lie(**found))


def about_a_field(path: str) -> st.SearchStrategy[Lie]:
    """One field of some rows is wrong."""

    def of(field: str) -> st.SearchStrategy[Lie]:
        # Rows that exchange groups say something that may be true: that the devices moved.
        kinds = BECOMES if "Group" in field and path == DEVICES else BECOMES + BETWEEN_ROWS
        about: dict[str, st.SearchStrategy[Any]] = {"field": st.just(field), "every": EVERY}
        texts = st.sampled_from(TEXTS.get(field, ODD))
        return a_lie(kinds, path, **about) | a_lie(["set_field"], path, text=texts, **about)

    return st.sampled_from(FIELDS[path]).flatmap(of)


def about_the_answer(path: str) -> st.SearchStrategy[Lie]:
    """The rows, the count, or the whole answer is wrong."""
    if path == MAKE:
        ids = st.sampled_from([10001, 10002, 10004, 2**63])
        return a_lie(ABOUT_WRITES, path) | a_lie(["other_id"], path, value=ids)
    if path in WRITES:
        return a_lie([*ABOUT_WRITES, "unheeded"], path)
    rows = a_lie(ABOUT_LISTS, path, every=EVERY, value=st.just(2))
    total = a_lie(["lying_total"], path, value=st.sampled_from([0, 10**6]))
    return rows | a_lie(ABOUT_ANSWERS, path) | total


ENDPOINTS = st.sampled_from([DEVICES, DEVICES, DEVICES, TAGS, TAGS, CARRIERS, MAKE, *LISTS, *WRITES])
ONE = ENDPOINTS.flatmap(lambda path: about_a_field(path) | about_the_answer(path))


def tellable(lies: list[Lie]) -> bool:
    """Together they do not make a list that is shorter, and as long as it announces."""
    paths = {lie.path for lie in lies if lie.shortens} & {lie.path for lie in lies if lie.lengthens}
    return not paths


LIES = st.lists(ONE, min_size=1, max_size=2).filter(tellable)
