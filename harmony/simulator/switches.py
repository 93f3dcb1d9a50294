"""The switches: each thing the facts leave open (facts 12), with its default and the other positions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Switch:
    """A choice of words; with no choices, any whole number from 0 (or "" where the default is a word)."""

    default: str
    choices: tuple[str, ...]
    about: str


SWITCHES: dict[str, Switch] = {
    "retry_after": Switch("1", (), "Retry-After of a 429, in seconds; empty leaves the header out"),
    "expired_bearer_body": Switch("error", ("error", "empty"), "Body of the 401 for an expired Bearer"),
    "token_error_status": Switch("400", ("400", "401"), "Status of a refused token request"),
    "token_client": Switch("either", ("either", "header", "body"), "Where a token request has the client"),
    "tenant_code_with_bearer": Switch("ignore", ("ignore", "check"), "A wrong aw-tenant-code beside Bearer"),
    "tags_search_empty": Switch("200", ("200", "204"), "tags/search without a match"),
    "addtag_duplicate": Switch("400", ("400", "second_tag"), "addtag with a name that exists"),
    "addtag_status": Switch("200", ("200", "201"), "Status of a successful addtag"),
    "tag_name_case": Switch("ignored", ("ignored", "kept"), "How addtag compares names"),
    "tag_name_length": Switch("50", (), "Characters kept of a tag's name; 0 keeps all"),
    "bulk_all_fail": Switch("404", ("404", "200"), "adddevices where every item fails"),
    "bulk_all_again": Switch("200", ("200", "404"), "adddevices where every item was so already"),
    "bulk_again": Switch("fault", ("fault", "accepted"), "Tag already there, or already gone"),
    "bulk_again_code": Switch("400", ("400", "404", "409", "0", "7032", "none"), "ErrorCode of that fault"),
    "bulk_again_message": Switch(
        "plain", ("plain", "full_stop", "capitals", "padded", "other", "none"), "Wording of that fault"
    ),
    "bulk_limit": Switch("500", (), "Most items of one tag call; 400 above it"),
    "device_tags_shape": Switch("lower", ("lower", "upper"), "Tags of a device: tags[].name, Tags[].TagName"),
    "tag_devices_empty": Switch("200", ("200", "204"), "Devices of a tag nobody carries"),
    "smartgroup_devices_empty": Switch("200", ("200", "204"), "Devices of a smart group without members"),
    "smartgroup_devices_paging": Switch("one", ("one", "paged"), "One page with all, or page and pagesize"),
    "smartgroup_devices_id": Switch("scalar", ("scalar", "value"), "Id of a member: n or {Value: n}"),
    "lgid_inclusive": Switch("yes", ("yes", "no"), "lgid also returns devices of child groups"),
    "unknown_lgid": Switch("204", ("204", "400", "403"), "Device search in a group that does not exist"),
    "group_counts": Switch("direct", ("direct", "inclusive"), "What the Devices count of a group counts"),
    "device_apps_types": Switch("int", ("int", "string"), "Status, Size and Type of an app"),
    "device_apps_assigned": Switch("listed", ("listed", "left_out"), "Apps assigned, but not installed"),
    "device_apps_empty": Switch("204", ("204", "absent"), "A device without apps"),
    "permission_lack": Switch("403", ("403", "401"), "Status when the role lacks a permission"),
    "lock_after": Switch("0", (), "Lock the account (1022) after so many bad passwords; 0 never"),
    "token_lifetime": Switch("3600", (), "Seconds a token lives"),
    "rate_limit": Switch("250000", (), "Calls in the 24 hour window"),
}


class Switches:
    """The present position of every switch."""

    def __init__(self) -> None:
        self._set: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._set.get(name, SWITCHES[name].default)

    def number(self, name: str) -> int:
        """The position of a switch that counts."""
        return int(self[name] or 0)

    def set(self, name: str, value: str) -> None:
        """Turn a switch; an unknown name or position is a ValueError."""
        known = SWITCHES.get(name)
        if known is None:
            raise ValueError(f"There is no switch {name!r}.")
        fits = value in known.choices if known.choices else value.isdecimal()
        if not fits and not (name == "retry_after" and value == ""):
            wanted = ", ".join(known.choices) or "a whole number"
            raise ValueError(f"{name} takes {wanted}, not {value!r}.")
        self._set[name] = value

    def reset(self) -> None:
        """Put every switch back to its default."""
        self._set.clear()

    def all(self) -> dict[str, str]:
        """Every switch with its position."""
        return {name: self[name] for name in SWITCHES}
