"""Bulk calls over devices: the input, the counters and the faults of single items (facts 6.2, 14.3, 14.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from harmony.simulator.answers import Answer, Call, Refusal, error, ok
from harmony.simulator.context import Tenant
from harmony.simulator.records import Tag

ALREADY_ON = "Tag is already associated with the device"
NOT_ON = "Tag is not associated with the device"
NOBODY = "Devices provided in the input could not be found or not enrolled or user does not have access."
_WORDINGS: dict[str, Callable[[str], str | None]] = {
    "plain": str,
    "full_stop": "{}.".format,
    "capitals": str.upper,
    "padded": "  {} \r\n".format,
    "other": lambda _: "Nothing to change for this device",
    "none": lambda _: None,
}


class Failure(NamedTuple):
    """One item that failed. `known`: the device exists, and was so already."""

    known: bool
    fault: dict[str, Any]


def answer(
    tenant: Tenant,
    call: Call,
    find: Callable[[], Tag],
    change: Callable[[Tag, int], bool],
    unchanged: str,
) -> Answer:
    """Change each device of a BulkInput: 200 also when some items fail.

    `change` is False where nothing was to do; `unchanged` is what the fault of such an item says.
    """
    values = _values(tenant, call)
    with tenant.world.lock:
        tag = find()
        failures = [
            failure for value in values if (failure := _change(tenant, tag, value, change, unchanged))
        ]
    if len(failures) == len(values) and tenant.switches[_switch(failures)] == "404":
        return error(404, 404, NOBODY)
    counters: dict[str, Any] = {
        "TotalItems": len(values),
        "AcceptedItems": len(values) - len(failures),
        "FailedItems": len(failures),
    }
    return ok(counters | ({"Faults": {"Fault": [item.fault for item in failures]}} if failures else {}))


def _switch(failures: list[Failure]) -> str:
    """The switch that decides on a call without a success."""
    return "bulk_all_again" if all(failure.known for failure in failures) else "bulk_all_fail"


def _change(
    tenant: Tenant, tag: Tag, value: Any, change: Callable[[Tag, int], bool], unchanged: str
) -> Failure | None:
    device = number_of(value)
    if device not in tenant.world.devices:
        return Failure(False, {"ErrorCode": 404, "ItemValue": str(value), "Message": "Device Not Found"})
    if change(tag, device) or tenant.switches["bulk_again"] == "accepted":
        return None
    return Failure(True, _already(tenant, str(value), unchanged))


def _already(tenant: Tenant, item: str, unchanged: str) -> dict[str, Any]:
    """The fault of an item that was so already; neither its code nor its exact wording is public."""
    code = tenant.switches["bulk_again_code"]
    fault: dict[str, Any] = (
        {"ItemValue": item} if code == "none" else {"ErrorCode": int(code), "ItemValue": item}
    )
    message = _WORDINGS[tenant.switches["bulk_again_message"]](unchanged)
    return fault if message is None else fault | {"Message": message}


def _values(tenant: Tenant, call: Call) -> list[Any]:
    asked = call.json()
    given = asked.get("BulkValues") if isinstance(asked, dict) else None
    values = given.get("Value") if isinstance(given, dict) else None
    if not isinstance(values, list) or not values:
        raise Refusal(error(400, 400, "BulkValues must hold at least one Value."))
    limit = tenant.switches.number("bulk_limit")
    if len(values) > limit:
        raise Refusal(error(400, 400, f"At most {limit} values are allowed."))
    return values


def number_of(value: Any) -> int:
    """An id, which comes as a string or an int (facts 6.2); 0 for anything else, which is nobody's."""
    return int(value) if str(value).isdecimal() else 0
