"""PURE: the tags that carry the protection state, by key, and how they are called (harmony-mobile.md §2.3).

A key says what a tag stands for: `status:active`, `risk:high`, `factor:ROOTED`. A tag that had another name
before, or stood under another id, goes on under a key `old:<id>` until it is off every device of ours.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

from harmony.models.configuration import Tagging
from harmony.models.states import DeviceStatus, Risk
from harmony.protection.catalogue import CATALOGUE, is_code

STATUS_KEYS = tuple(f"status:{status}" for status in DeviceStatus)
RISK_KEYS = ("risk:high", "risk:medium", "risk:low")
NO_RISK_KEY = "risk:none"
FACTOR, OLD = "factor:", "old:"
PREFIX = "prefix"

# The UEM keeps this many characters of a name; what is typed may be longer, and is then shortened.
LONGEST_NAME = 50
LONGEST_TYPED = 100
_LONGEST_PREFIX = 30
_DIGEST_DIGITS = 8

EMPTY = "Enter a name."
TOO_LONG = f"At most {LONGEST_TYPED} characters; beyond {LONGEST_NAME} a name is shortened."
PREFIX_TOO_LONG = f"At most {_LONGEST_PREFIX} characters."
UNREADABLE = "Letters, digits, signs and single spaces inside only; no line breaks or hidden characters."
TWICE = "Another tag has this name."
LIKE_A_FACTOR = "Names that begin like this are for threat factors."
NO_SUCH_TAG = "There is no such tag."


def factor_key(code: str) -> str:
    """The key of the tag of a threat factor."""
    return FACTOR + code


def risk_key(risk: int) -> str:
    """The key of the tag of a risk.

    >>> risk_key(3), risk_key(0)
    ('risk:high', 'risk:none')
    """
    return f"risk:{Risk(risk).name.lower()}"


def tag_key(name: str) -> str:
    """The spelling by which tag names are compared, because the UEM compares so: two names with one key
    are one tag. Without case, without spaces around, and only as many characters as the UEM keeps.

    >>> tag_key(" CHKP_Risk_High "), tag_key("x" * 60) == tag_key("X" * 50)
    ('chkp_risk_high', True)
    """
    cut = unicodedata.normalize("NFC", name).strip()[:LONGEST_NAME].strip()
    return unicodedata.normalize("NFC", cut.casefold())


def shortened(name: str) -> str:
    """`name` if the UEM keeps all of it, else its beginning and a digest of the whole.

    The same name always becomes the same; names that differ beyond the limit stay different.

    >>> shortened("CHKP_Risk_High"), shortened("x" * 51)
    ('CHKP_Risk_High', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-3ecd502a')
    """
    if len(name) <= LONGEST_NAME:
        return name
    folded = unicodedata.normalize("NFC", name).casefold()
    digest = hashlib.sha256(folded.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_DIGITS]
    return f"{name[: LONGEST_NAME - _DIGEST_DIGITS - 1].rstrip()}-{digest}"


def name_of(key: str, tagging: Tagging) -> str:
    """Return the name of the tag of that key: its own if it was given one, else the prefix and the usual.

    Never longer than the UEM keeps.

    >>> name_of("status:active", Tagging()), name_of("factor:ROOTED", Tagging(prefix="X_"))
    ('CHKP_Status_Active', 'X_TF_ROOTED')
    """
    return shortened(tagging.names.get(key) or tagging.prefix + _usual(key))


def needed_keys(tagging: Tagging, factor_codes: Iterable[str] = ()) -> tuple[str, ...]:
    """The keys of the tags these switches need; `factor_codes` are those found on some device."""
    factors = tuple(factor_key(code) for code in sorted(set(factor_codes))) if tagging.tag_factors else ()
    risks = (RISK_KEYS + ((NO_RISK_KEY,) if tagging.tag_no_risk else ())) if tagging.tag_risk else ()
    return (STATUS_KEYS if tagging.tag_status else ()) + risks + factors


def needed_names(tagging: Tagging, factor_codes: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what those are called; threat factors get theirs when one is found."""
    return tuple(name_of(key, tagging) for key in needed_keys(tagging, factor_codes))


def is_managed(key: str, tagging: Tagging) -> bool:
    """Tell whether these switches put the tag of that key on devices and take it off again.

    >>> is_managed("risk:none", Tagging()), is_managed("factor:ROOTED", Tagging())
    (False, True)
    """
    if key.startswith(FACTOR):
        return tagging.tag_factors
    return key in needed_keys(tagging)


def device_keys(status: str, risk: int, factor_codes: Iterable[str], tagging: Tagging) -> set[str]:
    """Return the keys of the tags that a device of this status and risk, with these open findings, carries.

    `desired_state` asks the same of the database, for all devices at once.

    >>> sorted(device_keys("active", 0, ["ROOTED"], Tagging()))
    ['factor:ROOTED', 'status:active']
    """
    keys = {f"status:{status}", risk_key(risk), *map(factor_key, factor_codes)}
    return {key for key in keys if is_managed(key, tagging)}


def complaints(tagging: Tagging) -> dict[str, str]:
    """Return what is wrong with prefix and names: a sentence by key, or by "prefix". Empty when nothing is.

    Names are compared as the UEM compares them, and as they are after shortening.
    """
    found: dict[str, str] = {}
    if len(tagging.prefix) > _LONGEST_PREFIX:
        found[PREFIX] = PREFIX_TOO_LONG
    elif not _is_readable(tagging.prefix):
        found[PREFIX] = UNREADABLE
    for key, name in tagging.names.items():
        if complaint := _complaint(key, name, tagging):
            found[key] = complaint
    return found | {key: TWICE for key in _twice(tagging) if key not in found}


def _complaint(key: str, name: str, tagging: Tagging) -> str | None:
    if not _exists(key):
        return NO_SUCH_TAG
    if not name:
        return EMPTY
    if len(name) > LONGEST_TYPED:
        return TOO_LONG
    if not _is_readable(name):
        return UNREADABLE
    family, usual = tag_key(f"{tagging.prefix}TF_"), tag_key(shortened(tagging.prefix + _usual(key)))
    own = tag_key(shortened(name))
    if own.startswith(family) and not (key.startswith(FACTOR) and own == usual):
        return LIKE_A_FACTOR
    return None


def _twice(tagging: Tagging) -> set[str]:
    """The keys with a name of their own that another tag has, in whatever case."""
    every = {*STATUS_KEYS, *RISK_KEYS, NO_RISK_KEY, *map(factor_key, CATALOGUE), *tagging.names}
    holders: dict[str, list[str]] = {}
    for key in every:
        if _exists(key):
            holders.setdefault(tag_key(name_of(key, tagging)), []).append(key)
    return {key for keys in holders.values() if len(keys) > 1 for key in keys if key in tagging.names}


def _exists(key: str) -> bool:
    if key.startswith(FACTOR):
        return is_code(key.removeprefix(FACTOR))
    return key in {*STATUS_KEYS, *RISK_KEYS, NO_RISK_KEY}


def _is_readable(name: str) -> bool:
    return name.isprintable() and name == " ".join(name.split())


def _usual(key: str) -> str:
    kind, _, what = key.partition(":")
    return f"TF_{what}" if kind == "factor" else f"{kind.title()}_{what.title()}"
