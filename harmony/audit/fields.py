"""PURE: the fields of a wizard page that changed, by their labels; values only where none is a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# The fields of the wizard's pages as their labels call them; any other is called by its own name.
LABELS = {
    "use_oauth2": "Use OAuth2",
    "client_id": "Client ID",
    "api_key": "API Key",
    "self_signed": "Self-signed certificate",
    "groups": "Group(s)",
    "import_name": "Device name",
    "import_number": "Device number",
    "import_email": "Device email",
    "device_interval": "Device sync interval",
    "deletion_threshold": "Device deletion threshold",
    "deletion_after": "Device deletion after",
    "app_interval": "App sync interval",
    "delta": "Refresh between full syncs",
    "tag_status": "Tag device status",
    "tag_risk": "Tag device risk",
    "tag_factors": "Tag device TF",
    "tag_no_risk": "Tag No Risk",
    "names": "Names of tags",
    "adopted": "Adopted tags",
    "auto_addition": "Auto device addition",
    "token": "Token",
}
# The texts that may be shown. A field that is missing here is only named, so that a new secret stays one.
_SHOWN_TEXTS = frozenset(
    {"display_name", "server_address", "token_address", "connector", "prefix", "language"}
)
_LONGEST_VALUE = 200

# Label, former value, new value.
Changed = tuple[str, str, str]


def changed_fields(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str:
    """Return the labels of the fields that differ between two rows of a wizard page.

    `old` and `new` are the JSON objects of `SetupPage`, `old` None for a page never in force before. Values
    are never shown, except on and off of a switch.

    >>> changed_fields({"client_id": "a", "import_name": True}, {"client_id": "b", "import_name": False})
    'Client ID, Device name switched off'
    """
    return ", ".join(_change(name, new[name]) for name in _differing(old, new))


def changed_values(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[Changed]:
    """Return what the fields said and say now, of those whose values may be shown.

    >>> changed_values({"client_id": "a", "deletion_after": 3}, {"client_id": "b", "deletion_after": 5})
    [('Device deletion after', '3', '5')]
    """
    before = old or {}
    values = ((name, before.get(name), new[name]) for name in _differing(old, new))
    return [(_label(name), _text(was), _text(is_)) for name, was, is_ in values if _is_shown(name, is_)]


def _differing(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Iterator[str]:
    before = old or {}
    return (name for name in new if before.get(name) != new[name])


def _is_shown(name: str, value: object) -> bool:
    return isinstance(value, bool | int) or (isinstance(value, str) and name in _SHOWN_TEXTS)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)[:_LONGEST_VALUE]


def _change(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"{_label(name)} switched {'on' if value else 'off'}"
    return _label(name)


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " ").title())
