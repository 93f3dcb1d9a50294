"""PURE: a page that needs nothing: no template, address, session or database, so that it cannot fail."""

from __future__ import annotations

from html import escape


def bare_page(title: str, sentence: str) -> bytes:
    """Return a whole HTML document in UTF-8 that says one sentence."""
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · Harmony</title></head>\n"
        f"<body><main><h1>{escape(title)}</h1><p>{escape(sentence)}</p></main></body>\n</html>\n"
    ).encode()
