"""Reads pages as a person does who follows their links."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from flask.testing import FlaskClient


def look(client: FlaskClient, href: str, status: int = 200) -> str:
    """Return the text of a page, which is answered with `status`."""
    answer = client.get(href)
    assert answer.status_code == status, answer.status
    return answer.get_data(as_text=True)


def link_on(page: str, pattern: str) -> str | None:
    """Return the address of the first link whose attributes and text match, such as `rel="next"`."""
    found = re.search(rf'href="([^"]+)"[^>]*?(?:>[^<]*)?{pattern}', page)
    return html.unescape(found[1]) if found else None


def pages_from(client: FlaskClient, href: str, rel: str = "next") -> Iterator[str]:
    """Yield the page and every one that follows it, or that stands before it with `rel="prev"`."""
    following: str | None = href
    seen: set[str] = set()
    while following:
        assert following not in seen, "the pages lead in a circle"
        seen.add(following)
        page = look(client, following)
        yield page
        following = link_on(page, f'rel="{rel}"')
