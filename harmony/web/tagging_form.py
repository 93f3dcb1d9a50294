"""Page 3 of the wizard, Tagging: its form, how a record becomes one and back, what Verify says of a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from wtforms import BooleanField, Form, SelectMultipleField, StringField

from harmony.models import Integration
from harmony.models.configuration import TAGGING, Tagging
from harmony.setup import drafts
from harmony.setup.needed_tags import Standing, TagLook
from harmony.tagging.names import NO_RISK_KEY, PREFIX, RISK_KEYS, STATUS_KEYS, complaints, name_of
from harmony.web.forms import complain, stripped

# Each tag that may have a name of its own, and its field.
NAMES = {key: key.replace(":", "_") for key in (*STATUS_KEYS, *RISK_KEYS, NO_RISK_KEY)}
SWITCHES = ("tag_status", "tag_risk", "tag_factors", "tag_no_risk")
FOREIGN = "In the UEM already, not made for this integration: adopt it below, or choose another name."
FOREIGN_FACTOR = (
    "{} is in the UEM already, not made for this integration: adopt it, or choose another prefix."
)


class TaggingForm(Form):
    """What is tagged, and how the tags are called.

    `adopted` are the ticked ones of `offered`, the names on the page that stood in the UEM before.
    """

    tag_status = BooleanField("Tag device status")
    tag_risk = BooleanField("Tag device risk")
    tag_factors = BooleanField("Tag device TF")
    tag_no_risk = BooleanField("Tag No Risk as well")
    prefix = StringField("Prefix", filters=[stripped])
    status_provisioned = StringField("Provisioned", filters=[stripped])
    status_active = StringField("Active", filters=[stripped])
    status_inactive = StringField("Inactive", filters=[stripped])
    risk_high = StringField("High", filters=[stripped])
    risk_medium = StringField("Medium", filters=[stripped])
    risk_low = StringField("Low", filters=[stripped])
    risk_none = StringField("No Risk", filters=[stripped])
    adopted = SelectMultipleField("Tags to adopt", validate_choice=False)
    offered = SelectMultipleField(validate_choice=False)


def fill(tagging: Tagging) -> dict[str, Any]:
    """What the form shows for a record: every name as it is in effect."""
    switches = {name: getattr(tagging, name) for name in SWITCHES}
    names = {field: name_of(key, tagging) for key, field in NAMES.items()}
    return switches | names | {PREFIX: tagging.prefix, "adopted": list(tagging.adopted)}


def read(form: TaggingForm, integration: Integration) -> Tagging | None:
    """The record that was typed; a name that was the usual one goes on to follow the prefix.

    None, with errors beside the fields, when the names cannot be used.
    """
    stored = drafts.draft(integration, TAGGING, Tagging)
    typed = Tagging(prefix=form.prefix.data or "", **{name: form[name].data for name in SWITCHES})
    own = {key: name for key, field in NAMES.items() if (name := _own(key, form[field].data, typed, stored))}
    empty = {key: "" for key, field in NAMES.items() if not form[field].data}
    typed = msgspec.structs.replace(typed, names=own | empty)
    if found := complaints(typed):
        for key, sentence in found.items():
            complain(form[NAMES.get(key, PREFIX)], sentence)
        return None
    kept = set(stored.adopted) - set(form.offered.data or ())
    return msgspec.structs.replace(typed, adopted=_usable(kept.union(form.adopted.data or ()), typed))


def _own(key: str, name: str | None, typed: Tagging, stored: Tagging) -> str | None:
    """The name if it is one of its own."""
    follows = {name_of(key, Tagging(prefix=typed.prefix))}
    if key not in stored.names:
        follows.add(name_of(key, stored))
    return None if name in follows else name


def _usable(names: Iterable[str], tagging: Tagging) -> tuple[str, ...]:
    """Of the adopted names those that are in effect; a name that was changed since was not ticked."""
    effective = {name_of(key, tagging) for key in NAMES}
    factors = name_of("factor:", tagging)
    return tuple(sorted({name for name in names if name in effective or name.startswith(factors)}))


def looked(integration: Integration) -> TagLook:
    """What the last Verify of the page found; nothing when it did not come so far."""
    said = integration.verification(TAGGING)
    return msgspec.convert((said.preview if said else None) or {}, TagLook)


def judge(form: TaggingForm, integration: Integration) -> bool:
    """Put beside each field what Verify has found wrong with it; False when it found nothing."""
    for tag in looked(integration).those(Standing.FOREIGN):
        if tag.key in NAMES:
            complain(form[NAMES[tag.key]], FOREIGN)
        else:
            complain(form[PREFIX], FOREIGN_FACTOR.format(tag.name))
    return bool(form.errors)


def context(form: TaggingForm) -> dict[str, Any]:
    """What the page shows besides its form."""
    return {"factor_example": name_of("factor:ROOTED", Tagging(prefix=form.prefix.data or ""))}
