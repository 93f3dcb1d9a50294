"""PURE: one form for every spelling of a UDID or a serial number, and none for a placeholder.

The UEM, the app configuration and the device itself write the same UDID with and without dashes, in braces,
in either case. A look-up value that nobody replaced (`{DeviceUid}`) is the same text on a thousand devices.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST_KEY = 128

# The common case, decided without looking at each character: hex digits and dashes.
_HEX = re.compile(r"[0-9A-Fa-f-]{16,}")
_HEX_KEY = re.compile(r"[0-9a-f]{16,}")
_PLAIN = re.compile(r"[0-9A-Za-z]+")
_WRAPPERS = "{}()[]\"'"
_SEPARATORS = str.maketrans("", "", "-:\u2212" + _WRAPPERS)
# Spaces, line and paragraph separators, control and invisible characters, lone surrogates.
_DROPPED = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cs"})
# What only a template holds: {Name}, $NAME, %name%, <name>, name[].
_TEMPLATE = re.compile(r"[{}()\[\]<>$%]")
_NOT_A_LETTER = re.compile(r"[\W_]+")

# What programs and people write where they have no value, without blanks and punctuation.
_WORDS = frozenset({
    "", "null", "nil", "none", "na", "nan", "unknown", "undefined", "undef", "unavailable", "notavailable",
    "notapplicable", "unspecified", "notspecified", "unset", "notset", "unassigned", "empty", "blank",
    "missing", "default", "defaultstring", "string", "tbd", "placeholder", "invalid", "error", "false",
    "true",
    "udid", "uuid", "deviceudid", "deviceuid", "deviceuuid", "deviceid", "serial", "serialnumber",
    "deviceserialnumber", "systemserialnumber", "tobefilledbyoem", "oem",
})  # fmt: skip
# Type names that a server of the UEM wrote instead of the value.
_TYPE_NAMES = ("system.", "java.", "object ")
# Identifiers that whole series of devices have in common: the ANDROID_ID of a faulty release, the MAC address
# that iOS shows every app, the serial number of unprovisioned boards.
_SHARED = frozenset({"9774d56d682e549c", "020000000000", "0123456789abcdef", "123456789", "1234567890"})
_REPEATED = 8


# A sync asks for the key of each of its rows several times within a few pages.
@lru_cache(maxsize=4096)
def udid_key(text: str) -> str:
    """Return the form under which UDIDs are compared; "" for one that identifies no device.

    >>> udid_key("00008020-001C2D3E4F50002E"), udid_key(" {3f2504e0-4F89-11d3-9a0c-0305e82c3301}")
    ('00008020001c2d3e4f50002e', '3f2504e04f8911d39a0c0305e82c3301')
    >>> udid_key("{DeviceUid}"), udid_key("System.Byte[]"), udid_key("00000000-0000-0000-0000-000000000000")
    ('', '', '')
    """
    if _HEX.fullmatch(text):
        return _identifying(text, text.replace("-", "").lower())
    folded = _folded(text).removeprefix("urn:").removeprefix("uuid:")
    return _identifying(folded, folded.translate(_SEPARATORS))


def serial_key(text: str) -> str:
    """Return the form under which serial numbers are compared; "" for one that identifies no device.

    >>> serial_key("r58m 123abc"), serial_key("To be filled by O.E.M.")
    ('r58m123abc', '')
    """
    folded = text.lower() if _PLAIN.fullmatch(text) else _folded(text)
    return _identifying(folded, folded)


def is_placeholder(udid: str) -> bool:
    """Return True for a UDID that identifies no device: none, one not replaced, one shared by many."""
    return not udid_key(udid)


def _folded(text: str) -> str:
    """Fold case and compatibility forms; drop blanks and what cannot be seen; make every dash the same."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    letters = ("-" if unicodedata.category(letter) == "Pd" else letter for letter in text)
    kept = "".join(letter for letter in letters if unicodedata.category(letter) not in _DROPPED)
    return unicodedata.normalize("NFKC", kept.casefold())


def _identifying(text: str, key: str) -> str:
    """`key`, or "" when `text` is a placeholder."""
    if key in _SHARED or _is_repeated(key):
        return ""
    if not _HEX_KEY.fullmatch(key) and _is_placeholder_text(text):
        return ""
    return key[:LONGEST_KEY]


def _is_repeated(key: str) -> bool:
    return key.strip(key[:1] or "0") == "" and (key[:1] in {"", "0"} or len(key) >= _REPEATED)


def _is_placeholder_text(text: str) -> bool:
    is_template = bool(_TEMPLATE.search(text))
    return is_template or text.startswith(_TYPE_NAMES) or _NOT_A_LETTER.sub("", text) in _WORDS
