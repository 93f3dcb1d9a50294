"""Page 3 of the wizard, Tagging: its form, how a record becomes one and back, what Verify says of a name."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from wtforms import BooleanField, Form, SelectMultipleField, StringField

from harmony.models.configuration import TAGGING, Tagging
from harmony.setup.tag_preview import NeededTag, Standing, TagLook
from harmony.setup.wizard_state import WizardState
from harmony.tagging.names import (
    FACTOR,
    LONGEST_TYPED,
    NO_RISK_KEY,
    PREFIX,
    RISK_KEYS,
    STATUS_KEYS,
    complaints,
    name_of,
    shortened,
    tag_key,
)
from harmony.web.shared.pasted import stripped
from harmony.web.wizard.forms import complain

# Each tag that may have a name of its own, and its field.
NAMES = {key: key.replace(":", "_") for key in (*STATUS_KEYS, *RISK_KEYS, NO_RISK_KEY)}
_SWITCHES = ("tag_status", "tag_risk", "tag_factors", "tag_no_risk")
_FOREIGN = "In the UEM already, not made for this integration: adopt it below, or choose another name."
_RESPELLED = "In the UEM already as {}, which is the same tag there: adopt it below, or choose another name."
_EARLIER = "Made by Harmony earlier: adopt it below to go on using it, or choose another name."
_FOREIGN_FACTOR = (
    "{} is in the UEM already, not made for this integration: adopt it, or choose another prefix."
)
_EARLIER_FACTOR = (
    "{} was made by Harmony earlier: adopt it below to go on using it, or choose another prefix."
)


class TaggingForm(Form):
    """The form of page 3: the tags to keep, and their names.

    `adopted` are the ticked ones of `offered`, the names on the page that stood in the UEM before, as the
    UEM writes them; *Adopt all* sends `adopt_all` and ticks every one of them.
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
    adopt_all = StringField(filters=[stripped])


def fill(tagging: Tagging) -> dict[str, Any]:
    """Return what the form shows for a record: every name as it is in effect."""
    switches = {name: getattr(tagging, name) for name in _SWITCHES}
    names = {field: name_of(key, tagging) for key, field in NAMES.items()}
    return switches | names | {PREFIX: tagging.prefix, "adopted": list(tagging.adopted)}


def read(form: TaggingForm, state: WizardState) -> Tagging | None:
    """Return the record that was typed; a name that was the usual one goes on to follow the prefix.

    None, with errors beside the fields, when the names cannot be used.
    """
    stored = state.draft.tagging
    typed = Tagging(prefix=form.prefix.data or "", **{name: form[name].data for name in _SWITCHES})
    fields = {key: _kept(form[field].data) for key, field in NAMES.items()}
    own = {key: name for key, text in fields.items() if (name := _own(key, text, typed, stored))}
    empty = {key: "" for key, text in fields.items() if not text}
    typed = msgspec.structs.replace(typed, names=_spelled_factors(stored, typed) | own | empty)
    if found := complaints(typed):
        for key, sentence in found.items():
            complain(form[NAMES.get(key, PREFIX)], sentence)
        return None
    offered = set(form.offered.data or ())
    ticked = offered if form.adopt_all.data else set(form.adopted.data or ())
    adopted = (set(stored.adopted) - offered) | ticked
    typed = _respelled(typed, adopted, last_look(state))
    return msgspec.structs.replace(typed, adopted=_usable(adopted, typed))


def _kept(name: str | None) -> str | None:
    """A name as the UEM would keep it; one that is too long even to be shortened is complained of."""
    return shortened(name) if name and len(name) <= LONGEST_TYPED else name


def _spelled_factors(stored: Tagging, typed: Tagging) -> dict[str, str]:
    """The UEM's spellings of threat factors that still fit the prefix; they have no field of their own."""
    usual = Tagging(prefix=typed.prefix)
    return {
        key: name
        for key, name in stored.names.items()
        if key.startswith(FACTOR) and tag_key(name) == tag_key(name_of(key, usual))
    }


def _respelled(tagging: Tagging, adopted: Iterable[str], look: TagLook) -> Tagging:
    """With what is adopted written as the UEM writes it: for the UEM it is the same tag."""
    chosen = set(adopted)
    names = {
        tag.key: tag.spelling
        for tag in look.tags
        if tag.spelling in chosen
        and tag.spelling != (name := name_of(tag.key, tagging))
        and tag_key(tag.spelling) == tag_key(name)
    }
    return msgspec.structs.replace(tagging, names=tagging.names | names)


def _own(key: str, name: str | None, typed: Tagging, stored: Tagging) -> str | None:
    """The name if it is one of its own."""
    follows = {name_of(key, Tagging(prefix=typed.prefix))}
    if key not in stored.names:
        follows.add(name_of(key, stored))
    return None if name in follows else name


def _usable(names: Iterable[str], tagging: Tagging) -> tuple[str, ...]:
    """Of the adopted names those that are in effect; a name that was changed since was not ticked."""
    effective = {tag_key(name_of(key, tagging)) for key in NAMES}
    factors = tag_key(name_of(FACTOR, tagging))
    return tuple(sorted({name for name in names if _fits(tag_key(name), effective, factors)}))


def _fits(key: str, effective: Collection[str], factors: str) -> bool:
    return key in effective or key.startswith(factors)


def last_look(state: WizardState) -> TagLook:
    """Return what the last Verify of the page found; nothing when it did not come so far."""
    verification = state.verification(TAGGING)
    return msgspec.convert((verification.preview if verification else None) or {}, TagLook)


def judge(form: TaggingForm, state: WizardState) -> bool:
    """Put beside each field what Verify has found wrong with it; False when it found nothing."""
    for tag in last_look(state).those(Standing.FOREIGN):
        if tag.key in NAMES:
            complain(form[NAMES[tag.key]], _why(tag))
        else:
            complain(form[PREFIX], (_EARLIER_FACTOR if tag.earlier else _FOREIGN_FACTOR).format(tag.spelling))
    return bool(form.errors)


def _why(tag: NeededTag) -> str:
    if tag.earlier:
        return _EARLIER
    return _FOREIGN if tag.spelling == tag.name else _RESPELLED.format(tag.spelling)


def context(form: TaggingForm) -> dict[str, Any]:
    """Return what the page shows besides its form."""
    return {"factor_example": name_of("factor:ROOTED", Tagging(prefix=form.prefix.data or ""))}
