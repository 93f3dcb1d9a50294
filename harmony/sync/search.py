"""PURE: what of a device the search on the pages looks in."""

from __future__ import annotations

from harmony.folding import lines
from harmony.sync.privacy import PLACEHOLDER_EMAIL

_NOBODYS = PLACEHOLDER_EMAIL.partition("}")[2]


def search_text(name: str, serial: str, udid: str, user_name: str, email: str) -> str:
    """Return the folded values, each on a line; the UDID also without dashes, as some tools show it.

    An e-mail that stands in for one that is not imported is left out: "workspace" would find all of them.
    """
    own = "" if email.endswith(_NOBODYS) else email
    return lines(name, serial, udid, udid.replace("-", "") if "-" in udid else "", user_name, own)
