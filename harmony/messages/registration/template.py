"""PURE: texts with a closed list of variables, filled as plain text or as HTML.

Who edits a text writes plain text; the HTML is derived from it, so that nothing in it is anybody's markup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

QR_IMAGE = "qr"
_QR_TAG = f'<img src="cid:{QR_IMAGE}" alt="QR code" width="220" height="220">'
# What each variable stands for, as the page says it.
VARIABLES = {
    "name": "Name of the device's user",
    "org": "Name of the sender",
    "server": "Address of this dashboard",
    "code": "One-time code, or two",
    "link": "Link to the registration page, with the code",
    "qr": "The same link as a QR code, in HTML",
    "expires": "When the code expires",
    "steps": "Steps for the device's platform",
}
_STEPS = ("steps_ios", "steps_android", "steps_enterprise")
# The texts of a language, in the order of the page, with the longest that each may be.
LONGEST = {"subject": 200, "body": 8000, "sms": 480} | dict.fromkeys(_STEPS, 4000)
_REFUSED = {
    "subject": VARIABLES.keys() - {"name", "org"},
    "body": frozenset[str](),
    "sms": frozenset({"qr", "steps"}),
} | dict.fromkeys(_STEPS, frozenset({"qr", "steps"}))
_VARIABLE = re.compile(r"( ?)\{\{ *(\w+) *\}\}")


def problems(name: str, text: str) -> list[str]:
    """Return what is wrong with a text, in sentences.

    >>> problems("sms", "{{link}} {{steps}} {{user}}")
    ['{{steps}} cannot be used here.', 'There is no variable {{user}}.']
    """
    found = []
    for variable in dict.fromkeys(match[2] for match in _VARIABLE.finditer(text)):
        if variable not in VARIABLES:
            found.append(f"There is no variable {{{{{variable}}}}}.")
        elif variable in _REFUSED[name]:
            found.append(f"{{{{{variable}}}}} cannot be used here.")
    rest = _VARIABLE.sub("", text)
    if "{{" in rest or "}}" in rest:
        found.append("A variable is written {{name}}, with two braces on each side.")
    if not text.strip():
        found.append("Enter a text.")
    if len(text) > LONGEST[name]:
        found.append(f"At most {LONGEST[name]:,} characters.")
    if name in {"body", "sms"} and not re.search(r"\{\{ *(code|link) *\}\}", text):
        found.append("Without {{code}} or {{link}} nobody can register.")
    return found


def uses(text: str, variable: str) -> bool:
    """Tell whether a text has a variable.

    >>> uses("{{ qr }}", "qr"), uses("{{qr_}}", "qr")
    (True, False)
    """
    return any(match[2] == variable for match in _VARIABLE.finditer(text))


def plain(text: str, values: Mapping[str, str]) -> str:
    """Fill a text; the blank before an empty value goes with it, and so do the lines that it leaves empty.

    >>> plain("Hello {{name}},", {"name": ""}), plain("{{name}}", {"name": "{{code}}"})
    ('Hello,', '{{code}}')
    """
    filled = _VARIABLE.sub(lambda match: _with_blank(match[1], values.get(match[2], "")), _unified(text))
    return re.sub(r"\n{3,}", "\n\n", filled).strip()


def html(text: str, values: Mapping[str, str]) -> str:
    """Fill a text as HTML: paragraphs, one link, one image, and nothing else."""
    text = _unified(text)
    parts, end = [], 0
    for match in _VARIABLE.finditer(text):
        value = _html_value(match[2], values)
        parts += [escape(text[end : match.start()]), _with_blank(match[1], value)]
        end = match.end()
    filled = "".join([*parts, escape(text[end:])]).strip()
    paragraphs = [part.strip().replace("\n", "<br>\n") for part in re.split(r"\n{2,}", filled)]
    return "\n".join(f"<p>{part}</p>" for part in paragraphs if part)


def inert(text: str, longest: int = 128) -> str:
    """Return a name as one short line without control characters.

    >>> inert("Kim" + chr(10) + "Bcc: all" + chr(0x202E))
    'Kim Bcc: all'
    """
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:longest]


def _html_value(name: str, values: Mapping[str, str]) -> str:
    value = values.get(name, "")
    if name == "link" and value:
        return f'<a href="{escape(value)}">{escape(value)}</a>'
    if name == "qr":
        return _QR_TAG
    if name == "steps":  # a text of its own, with variables of its own
        link = values.get("link", "")
        return escape(value).replace(escape(link), _html_value("link", values)) if link else escape(value)
    return escape(value)


def _with_blank(blank: str, value: str) -> str:
    return f"{blank}{value}" if value else ""


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
