"""What a tester asked of the control port, from JSON or from a form, as the types the changes want."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from harmony import clock
from harmony.simulator.answers import Call
from harmony.simulator.records import DECODE
from harmony.simulator.world import World


class Arguments:
    """The named values of one request; every complaint is a ValueError with a sentence."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = {key: value for key, value in values.items() if value is not None}

    def number(self, name: str) -> int | None:
        """A whole number, or None when it is not given."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            return int(value)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be a whole number.") from None

    def required(self, name: str) -> int:
        """A whole number that must be given."""
        value = self.number(name)
        if value is None:
            raise ValueError(f"{name} is missing.")
        return value

    def text(self, name: str) -> str:
        """A word, empty when it is not given."""
        return str(self.values.get(name, ""))

    def truth(self, name: str) -> bool | None:
        """Yes or no, or None when it is not given."""
        value = self.values.get(name)
        return None if value is None else str(value).lower() in ("true", "1", "yes", "on")

    def words(self, name: str) -> list[str]:
        """A list, or words with commas between them."""
        value = self.values.get(name, [])
        parts = value.split(",") if isinstance(value, str) else value
        return [str(part).strip() for part in parts if str(part).strip()]

    def ids(self) -> list[int] | None:
        """The device ids, or None when none are given."""
        return [int(word) for word in self.words("ids")] if "ids" in self.values else None

    def fields(self) -> dict[str, Any]:
        """`set` as an object (a form sends it as JSON text)."""
        value = self.values.get("set", {})
        found = DECODE(value) if isinstance(value, str) else value
        if not isinstance(found, dict):
            raise ValueError("set must be an object.")
        return found

    def moment(self, name: str) -> datetime:
        """An ISO date; now when it is not given."""
        return datetime.fromisoformat(self.text(name)) if name in self.values else clock.now()

    def group(self, world: World, name: str = "group") -> int | None:
        """An organization group that exists, or None when it is not given."""
        ident = self.number(name)
        if ident is not None and ident not in world.groups:
            raise ValueError(f"There is no organization group {ident}.")
        return ident

    def smart_group(self, world: World) -> int | None:
        """A smart group that exists, or None when it is not given."""
        ident = self.number("smart_group")
        if ident is not None and ident not in world.smart_groups:
            raise ValueError(f"There is no smart group {ident}.")
        return ident


def is_form(call: Call) -> bool:
    """Whether a browser's form sent this."""
    return call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def read(call: Call) -> Arguments:
    """The arguments of a call; an empty body has none."""
    if is_form(call):
        return Arguments(dict(parse_qsl(call.body.decode("utf-8", "replace"))))
    found = call.json() if call.body.strip() else {}
    if not isinstance(found, dict):
        raise ValueError("The body must be a JSON object.")
    return Arguments(found)
