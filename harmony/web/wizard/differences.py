"""Differences between two records of a wizard page, in the words of its form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from wtforms import BooleanField, Field, Form, StringField

from harmony.models.configuration import ChosenGroup, ServerDetails, Synchronization, Tagging
from harmony.security.credentials import SECRET_FIELDS
from harmony.setup import groups
from harmony.setup.secrets import SEALED_FIELDS
from harmony.tagging.names import name_of
from harmony.uem.connection import REGIONS
from harmony.uem.records import GroupKind
from harmony.web.shared.fields import Secret, WholeNumber
from harmony.web.wizard.steps import Step
from harmony.web.wizard.tagging_form import NAMES

_GROUP_KINDS = {GroupKind.ORGANIZATION: "organization group", GroupKind.SMART: "smart group"}
_DIGITS = 16


class _Shown(NamedTuple):
    """One field as its page shows it: a text with its unit, or the chosen lines of a list by key."""

    text: str = ""
    unit: str = ""
    lines: Mapping[str, str] | None = None


def differences(step: Step, before: msgspec.Struct, after: msgspec.Struct) -> list[str]:
    """Return a line for each field that differs: `Device sync interval: 60 → 120 minutes`."""
    old, new, form = _shown(step, before), _shown(step, after), step.form()
    labels = dict.fromkeys([*(field.label.text for field in form), *old, *new])
    lines = [line for label in labels for line in _lines(label, old.get(label), new.get(label))]
    return lines + _other_secrets(form, before, after)


def without_secrets(page: str, record: msgspec.Struct) -> msgspec.Struct:
    """Return the record of a page without its sealed values."""
    return msgspec.structs.replace(record, **dict.fromkeys(SEALED_FIELDS.get(page, ()), ""))


def _lines(label: str, before: _Shown | None, after: _Shown | None) -> Iterator[str]:
    old, new = before or _Shown(), after or _Shown()
    if old.lines is not None or new.lines is not None:
        chosen, former = new.lines or {}, old.lines or {}
        yield from (f"{label}: {text} added" for key, text in chosen.items() if key not in former)
        yield from (f"{label}: {text} removed" for key, text in former.items() if key not in chosen)
    elif old.text != new.text:
        yield f"{label}: {old.text or 'none'} → {new.text or 'none'}{new.unit}"


def _other_secrets(form: Form, before: msgspec.Struct, after: msgspec.Struct) -> list[str]:
    """Return a line for each secret that differs; its value is never shown."""
    if not isinstance(after, ServerDetails):
        return []
    secrets = [(name, getattr(before, name), getattr(after, name)) for name in SECRET_FIELDS]
    return [
        f"{form[name].label.text}: {'another one' if old and new else 'set' if new else 'cleared'}"
        for name, old, new in secrets
        if old != new
    ]


def _shown(step: Step, record: Any) -> dict[str, _Shown]:
    form = step.form(data=step.fill(record))
    shown = {field.label.text: _plain(field) for field in form if _is_plain(field)}
    if isinstance(record, ServerDetails):
        return shown | _of_server(form, record)
    if isinstance(record, Synchronization):
        return shown | _of_synchronization(form, record)
    return shown | _of_tagging(form, record) if isinstance(record, Tagging) else shown


def _is_plain(field: Field) -> bool:
    return isinstance(field, (BooleanField, WholeNumber, StringField)) and not isinstance(field, Secret)


def _plain(field: Field) -> _Shown:
    if isinstance(field, BooleanField):
        return _Shown("on" if field.data else "off")
    return _Shown(str(field.data if field.data is not None else ""), getattr(field, "unit", ""))


def _of_server(form: Form, server: ServerDetails) -> dict[str, _Shown]:
    """Return what the page shows otherwise than its fields: the token address and the certificate."""
    regions = {url: label for label, url in REGIONS}
    address = server.token_address if server.use_oauth2 else ""
    return {
        form.token_region.label.text: _Shown(regions.get(address, address)),
        form.token_other.label.text: _Shown(),
        form.connector.label.text: _Shown(server.connector),
        form.certificate.label.text: _Shown(_fingerprint(server.certificate if server.self_signed else "")),
    }


def _fingerprint(pem: str) -> str:
    return f"SHA-256 {hashlib.sha256(pem.encode()).hexdigest()[:_DIGITS]}…" if pem else ""


def _of_synchronization(form: Form, choice: Synchronization) -> dict[str, _Shown]:
    lines = {groups.key(group.kind, group.external_id): _group(group) for group in choice.groups}
    both = {key: lines[key] for key in form.android_enterprise.data}
    return {
        form.groups.label.text: _Shown(lines=lines),
        form.android_enterprise.label.text: _Shown(lines=both),
    }


def _group(group: ChosenGroup) -> str:
    kind = f"{_GROUP_KINDS[GroupKind(group.kind)]} {group.external_id}"
    return f"{group.name} ({kind})" if group.name else kind


def _of_tagging(form: Form, tagging: Tagging) -> dict[str, _Shown]:
    factors = {key: name_of(key, tagging) for key in tagging.names if key not in NAMES}
    adopted = {name: name for name in tagging.adopted}
    return {f"Name of {key}": _Shown(name) for key, name in factors.items()} | {
        form.adopted.label.text: _Shown(lines=adopted),
        form.offered.label.text: _Shown(),
        form.adopt_all.label.text: _Shown(),
    }
