"""The shapes on the wire: a fast typed decoder for devices, a forgiving one for everything else.

Names and types after recorded answers (facts/ws1-api.md §3 to §6); ids come as {"Value": n}, n or "n".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from harmony.uem.errors import MalformedAnswer

_Scalar = int | float | str | bool | None


class Ref(msgspec.Struct, rename="pascal", gc=False):
    """{"Value": n}, or {"Id": {"Value": n}, "Name": …, "Uuid": …}."""

    value: _Scalar = None
    id: AnyId = None
    name: _Scalar = None
    uuid: _Scalar = None


AnyId = Ref | int | float | str | bool | None


class DeviceRow(msgspec.Struct, rename="pascal", gc=False):
    """The fields of a v1 or v2 device that are used; every one may be missing or null."""

    id: AnyId = None
    uuid: str | None = None
    udid: str | None = None
    serial_number: str | None = None
    device_friendly_name: str | None = None
    phone_number: str | None = None
    user_email_address: str | None = None
    user_name: str | None = None
    platform: str | None = None
    model: str | None = None
    operating_system: str | None = None
    ownership: str | None = None
    location_group_id: AnyId = None
    location_group_name: str | None = None
    enrollment_status: str | None = None
    compliance_status: str | None = None
    compromised_status: _Scalar = None
    imei: str | None = None
    last_seen: str | None = None
    last_enrolled_on: str | None = None


class _DevicesEnvelope(msgspec.Struct, rename="pascal", gc=False):
    """A page of devices. `devices` has no default: an answer without the key is not an empty page."""

    devices: list[DeviceRow]
    total: _Scalar = None


class _RawEnvelope(msgspec.Struct, rename="pascal", gc=False):
    """The same page with its rows still to be decoded."""

    devices: list[msgspec.Raw]
    total: _Scalar = None


class _TaggedRow(msgspec.Struct, rename="pascal", gc=False):
    """A device that carries a tag; of its fields only the id is used."""

    device_id: AnyId = None
    id: AnyId = None


class _TaggedEnvelope(msgspec.Struct, rename="pascal", gc=False):
    """The devices of a tag, all in one answer; the key is singular."""

    device: list[_TaggedRow]
    total: _Scalar = None


_tagged = msgspec.json.Decoder(_TaggedEnvelope)
_devices = msgspec.json.Decoder(_DevicesEnvelope)
_raw_devices = msgspec.json.Decoder(_RawEnvelope)
_row = msgspec.json.Decoder(DeviceRow)
_UNEXPECTED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


def typed_devices(body: bytes) -> tuple[list[DeviceRow | None], _Scalar] | None:
    """Rows and Total of a page; a row that is no object is None. None when the page itself is odd.

    The whole page at once, or row by row when one of them is not as expected.
    """
    # msgspec keeps the last of two equal keys silently; the strict reader settles a page with two lists.
    if body.count(b'"Devices"') != 1:
        return None
    try:
        page = _devices.decode(body)
    except _UNEXPECTED:
        return _row_by_row(body)
    if any(row.id is None for row in page.devices):
        return _row_by_row(body)
    return list(page.devices), page.total


def typed_tagged(body: bytes) -> tuple[list[AnyId], _Scalar] | None:
    """Return the ids of a tag's devices and Total; None when the answer is not as usual."""
    try:
        found = _tagged.decode(body)
    except _UNEXPECTED:
        return None
    return [row.id if row.device_id is None else row.device_id for row in found.device], found.total


def _row_by_row(body: bytes) -> tuple[list[DeviceRow | None], _Scalar] | None:
    try:
        page = _raw_devices.decode(body)
    except _UNEXPECTED:
        return None
    return [_one_row(bytes(raw)) for raw in page.devices], page.total


def _one_row(raw: bytes) -> DeviceRow | None:
    try:
        row = _row.decode(raw)
    except _UNEXPECTED:
        row = DeviceRow()
    # Without an id the keys may be in another case, which only the forgiving reader sees.
    return row if row.id is not None else loose_device(loose_json(raw))


class JsonObject:
    """One JSON object, read without regard to the case of its keys (the API mixes it)."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = {key.lower(): value for key, value in members.items()}

    def get(self, *names: str) -> Any:
        """Return the first of these members that is there and not null."""
        for name in names:
            value = self._members.get(name.lower())
            if value is not None:
                return value
        return None

    def text(self, *names: str) -> str | None:
        """Return a member as text; a number becomes its digits, anything else None."""
        value = self.get(*names)
        if isinstance(value, str):
            return value
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def ref(self, *names: str) -> AnyId:
        """Return a member that may be an id in any of its three forms."""
        return _ref(self.get(*names))


def _ref(value: Any, depth: int = 0) -> AnyId:
    if isinstance(value, int | float | str):
        return value
    if not isinstance(value, dict) or depth > 2:
        return None
    row = JsonObject(value)
    name, number, uuid = row.get("Name"), row.get("Value"), row.get("Uuid")
    return Ref(
        value=number if isinstance(number, int | float | str) else None,
        id=_ref(row.get("Id"), depth + 1),
        name=name if isinstance(name, str) else None,
        uuid=uuid if isinstance(uuid, str) else None,
    )


_FIELDS = msgspec.structs.fields(DeviceRow)


def loose_device(members: object) -> DeviceRow | None:
    """A row whose members have unexpected types: what can be read is kept. None when it is no object."""
    if not isinstance(members, dict):
        return None
    row = JsonObject(members)
    values: dict[str, Any] = {
        field.name: row.ref(field.encode_name)
        if field.name in {"id", "location_group_id"}
        else row.text(field.encode_name)
        for field in _FIELDS
    }
    compromised = row.get("CompromisedStatus")
    values["compromised_status"] = compromised if isinstance(compromised, bool | str | int) else None
    values["id"] = row.ref("Id", "DeviceId")
    return DeviceRow(**values)


def loose_json(body: bytes) -> Any:
    """Any JSON value; raises MalformedAnswer for NaN, equal keys, hopeless nesting and what is not JSON.

    Bytes that are not UTF-8 become replacement characters, so that one bad name does not cost a page.
    """
    try:
        return json.loads(
            body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_bounded_int,
        )
    except (ValueError, RecursionError):
        raise MalformedAnswer("The data of the server was cut short or is not JSON.") from None


def loose_object(body: bytes) -> JsonObject:
    """Return a JSON object; raises MalformedAnswer when the answer is another kind of value."""
    value = loose_json(body)
    if not isinstance(value, dict):
        raise MalformedAnswer("The server answered with another kind of data than expected.")
    return JsonObject(value)


def rows_of(row: JsonObject, *names: str) -> list[Any]:
    """Return the list in an envelope; raises MalformedAnswer when it is not there, which is never "none"."""
    found = row.get(*names)
    if not isinstance(found, list):
        raise MalformedAnswer(f"The answer of the server has no list of {names[0]}.")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("equal keys")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _bounded_int(digits: str) -> int | str:
    # Python refuses to convert more than 4,300 digits; no id or count has more than 20.
    return int(digits) if len(digits) <= 20 else digits
