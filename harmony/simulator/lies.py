"""Lies: well-formed answers that say the wrong thing, about some rows of an answer or about all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harmony.simulator.answers import JSON, Answer, Call, error, not_found_page, nothing, ok
from harmony.simulator.faults import Fault
from harmony.simulator.records import DECODE, ENCODE

Row = Any
_MISSING = object()
# Above every id that the simulated UEM gives.
_FIRST_GHOST = 900_001
_SUCCESSES = {200, 201}


def instead(call: Call) -> Answer | None:
    """The answer of a lie that asks nobody: nothing is looked up, and nothing carried out."""
    if "no_content" in call.faults:
        return nothing()
    if "not_found" in call.faults:
        return error(404, 404, "The resource could not be found.")
    if "html_not_found" in call.faults:
        return not_found_page()
    if "unheeded" in call.faults and call.method == "POST":
        return _accepted(call)
    return None


def _accepted(call: Call) -> Answer:
    asked = call.json()
    values = asked.get("BulkValues", {}).get("Value", []) if isinstance(asked, dict) else []
    return ok({"TotalItems": len(values), "AcceptedItems": len(values), "FailedItems": 0})


def distort(call: Call, answer: Answer) -> Answer:
    """The true answer with every lie in force told over it; only JSON of a success is changed."""
    if "done_not_found" in call.faults and answer.status < 300:
        return error(404, 404, "The resource could not be found.")
    lies = [fault for kind, fault in call.faults.items() if kind in _ABOUT_ROWS]
    if not lies or answer.status not in _SUCCESSES or answer.content_type != JSON or not answer.body:
        return answer
    body = DECODE(answer.body)
    for lie in lies:
        body = _retold(body, lie)
    answer.body = ENCODE(body)
    return answer


def _retold(body: Any, lie: Fault) -> Any:
    """The body with other rows. An answer without a list is one row itself."""
    change = _ABOUT_ROWS[lie.kind]
    if isinstance(body, list):
        return change(body, lie)
    key = next((key for key, value in body.items() if isinstance(value, list)), None)
    if key is None:
        rows = change([body], lie)
        return rows[0] if rows else {}
    lied = body | {key: change(body[key], lie)}
    return lied | {"Total": 0} if lie.kind == "empty_list" and "Total" in lied else lied


def _meant(rows: list[Row], lie: Fault) -> list[Row]:
    """The rows the lie is about: every n-th, beginning with the first."""
    return [row for row in rows[:: max(1, lie.every)] if isinstance(row, dict)]


def _changed(become: Callable[[Any, Fault], Any]) -> Callable[[list[Row], Fault], list[Row]]:
    """A lie about one field of each row that is meant."""

    def change(rows: list[Row], lie: Fault) -> list[Row]:
        for row in _meant(rows, lie):
            put(row, lie.field, become(value_at(row, lie.field), lie))
        return rows

    return change


def _shared(rows: list[Row], lie: Fault) -> list[Row]:
    meant = _meant(rows, lie)
    for row in meant[1:]:
        put(row, lie.field, value_at(meant[0], lie.field))
    return rows


def _swapped(rows: list[Row], lie: Fault) -> list[Row]:
    meant = _meant(rows, lie)
    values = [value_at(row, lie.field) for row in meant]
    for row, value in zip(meant, values[1:] + values[:1], strict=True):
        put(row, lie.field, value)
    return rows


def _shortened(rows: list[Row], lie: Fault) -> list[Row]:
    return [row for number, row in enumerate(rows) if number % max(1, lie.every)]


def _doubled(rows: list[Row], lie: Fault) -> list[Row]:
    return [*rows, *rows[:: max(1, lie.every)]]


def _odd(rows: list[Row], lie: Fault) -> list[Row]:
    return [row if number % max(1, lie.every) else lie.json() for number, row in enumerate(rows)]


def _with_ghosts(rows: list[Row], lie: Fault) -> list[Row]:
    """More rows like the first one, with ids that nothing else shows; a list without rows gets bare ones."""
    like = next((row for row in rows if isinstance(row, dict)), {"Id": 0})
    return [*rows, *(_ghost(like, _FIRST_GHOST + number) for number in range(max(1, lie.value)))]


def _with_another_id(rows: list[Row], lie: Fault) -> list[Row]:
    """What an answer says of a thing that was made, but for its id; rows of lists are left alone."""
    return [row | {"Value": lie.value} if isinstance(row, dict) and "Value" in row else row for row in rows]


def _ghost(like: dict[str, Any], ident: int) -> dict[str, Any]:
    ghost = dict(like)
    for key in ("Id", "DeviceId", "SmartGroupID"):
        if key in ghost:
            ghost[key] = {"Value": ident} if isinstance(ghost[key], dict) else ident
    for key in ("Uuid", "DeviceUuid", "Udid", "SerialNumber"):
        if key in ghost:
            ghost[key] = f"00000000-0000-4000-a000-{ident:012d}"
    return ghost


def value_at(row: dict[str, Any], field: str) -> Any:
    """The value under a dotted name; a row without it has none."""
    value: Any = row
    for name in field.split("."):
        value = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
    return value


def put(row: dict[str, Any], field: str, value: Any) -> None:
    """Set what is under a dotted name, or remove it; a row without the parent of it stays as it is."""
    *parents, last = field.split(".")
    place: Any = row
    for name in parents:
        place = place.get(name) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        return
    if value is _MISSING:
        place.pop(last, None)
    else:
        place[last] = value


def _as_text(value: Any, _: Fault) -> Any:
    return value if value is _MISSING else str(value)


_ABOUT_ROWS: dict[str, Callable[[list[Row], Fault], list[Row]]] = {
    "null_field": _changed(lambda *_: None),
    "drop_field": _changed(lambda *_: _MISSING),
    "set_field": _changed(lambda _, lie: lie.json()),
    "text_field": _changed(_as_text),
    "list_field": _changed(lambda value, _: value if value is _MISSING else [value]),
    "shared_field": _shared,
    "swapped_field": _swapped,
    "odd_rows": _odd,
    "short_list": _shortened,
    "doubled_rows": _doubled,
    "ghost_rows": _with_ghosts,
    "empty_list": lambda *_: [],
    "other_id": _with_another_id,
}
