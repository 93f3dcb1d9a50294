"""Addresses of this site as browsers know them: below the prefix under which a proxy serves the dashboard."""

from __future__ import annotations

from urllib.parse import unquote

from flask import request

HOME = "/"
_LONGEST_PATH = 2048


def below_prefix(path: str) -> str:
    """Return the address of a path of the application, such as `/harmony/sign-in`."""
    return request.script_root + path


def page_address() -> str:
    """Return the address of the page that is asked for, without its query."""
    return below_prefix(request.path)


def full_address() -> str:
    """Return the address of the page that is asked for, with its query."""
    return below_prefix(request.full_path if request.query_string else request.path)


def local_address(text: str | None) -> str:
    """Return `text` when it is an address of this site, else that of the start page."""
    prefix = request.script_root
    address = text or ""
    if is_path(address) and _is_below(address, prefix):
        return address
    return prefix + HOME


def is_path(text: str) -> bool:
    """Tell whether a text is a path, and nothing that a browser reads as another site.

    Browsers read a backslash as a slash and drop tabs and line ends, so none of them may be there.

    >>> [is_path(text) for text in ("/devices", "//evil.example", "/\\\\evil.example", "devices")]
    [True, False, False, False]
    """
    plain = all("!" <= character != "\\" and character != "\x7f" for character in text)
    return plain and text.startswith("/") and not text.startswith("//") and len(text) <= _LONGEST_PATH


def has_dots(path: str) -> bool:
    """Tell whether a browser would take segments out of a path, and so ask for another.

    >>> [has_dots(path) for path in ("/users/..", "/users/./3", "/users/v1..2")]
    [True, True, False]
    """
    return not {".", ".."}.isdisjoint(path.split("/"))


def _is_below(address: str, prefix: str) -> bool:
    """Tell whether an address stays below the prefix: other applications may share the host.

    >>> [_is_below(path, "/harmony") for path in ("/harmony/devices", "/harmony2", "/harmony/%2e%2e/wiki")]
    [True, False, False]
    """
    path = address.partition("#")[0].partition("?")[0]
    return not prefix or (path.startswith(f"{prefix}/") and ".." not in unquote(path).split("/"))
