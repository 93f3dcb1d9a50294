"""Walks through the wizard as a browser without JavaScript: it sends what the page holds, changed."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any, Protocol

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response


class FormReader(HTMLParser):
    """The values a browser would send for the page's wizard form."""

    def __init__(self) -> None:
        super().__init__()
        self.values: MultiDict[str, str] = MultiDict()
        self._inside = self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = found.get("class", "")
        elif self._inside != "form":
            return
        elif tag == "select":
            self._select = found["name"]
        elif tag == "option" and "selected" in found:
            self.values[self._select] = found["value"]
        elif tag == "textarea":
            self._area = found["name"]
            self.values[self._area] = ""
        elif tag == "input" and "name" in found:
            self._input(found)

    def _input(self, found: dict[str, str]) -> None:
        kind = found.get("type", "text")
        if kind == "file" or (kind == "checkbox" and "checked" not in found):
            return
        self.values.add(found["name"], found.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = ""
        elif tag == "textarea":
            self._area = ""


def form_of(page: str) -> MultiDict[str, str]:
    """What the wizard form on `page` would send."""
    reader = FormReader()
    reader.feed(page)
    return reader.values


class Client(Protocol):
    """A browser: that of Flask within this process, or one that asks over HTTP."""

    def get(self, path: str, /) -> Response: ...

    def post(self, path: str, /, *, data: Any) -> Response: ...


class Walk:
    """One integration in the wizard of one browser."""

    def __init__(self, client: Client, integration_id: int) -> None:
        self.client, self.id = client, integration_id

    @classmethod
    def begin(cls, client: Client, kind: str = "simulated") -> Walk:
        answer = client.post("/integrations", data={"kind": kind})
        assert answer.status_code == 303
        return cls(client, int((answer.location or "").split("/")[2]))

    def href(self, page: str) -> str:
        return f"/integrations/{self.id}/setup/{page}"

    def look(self, page: str) -> str:
        answer = self.client.get(self.href(page))
        assert answer.status_code == 200, answer.location
        return answer.get_data(as_text=True)

    def values(self, page: str) -> MultiDict[str, str]:
        """What the page's own form would send."""
        return form_of(self.look(page))

    def send(self, page: str, suffix: str = "", drop: tuple[str, ...] = (), **changes: Any) -> Response:
        """Send the page's own form with some values changed; a list sets several, `drop` unticks."""
        values = self.values(page)
        for name in drop:
            values.poplist(name)
        for name, value in changes.items():
            if isinstance(value, list):
                values.setlist(name, value)
            else:
                values[name] = value
        return self.client.post(self.href(page) + suffix, data=values)

    def verify(self, page: str, **changes: Any) -> str:
        """Verify a page and give back what it then shows."""
        answer = self.send(page, "/verify", **changes)
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return self.look(page)

    def next(self, page: str, **changes: Any) -> Response:
        """Press *Verify and Next*, and once more when it stops at a warning, having read it."""
        answer = self.send(page, "/verify?then=next", **changes)
        if answer.status_code == 303 and answer.location.endswith("#verification"):
            answer = self.send(page, "/verify?then=next")
        return answer

    def to_synchronization(self) -> Walk:
        assert self.next("server").location.endswith("/setup/synchronization")
        return self

    def to_tagging(self, *groups: str) -> Walk:
        self.to_synchronization()
        answer = self.next("synchronization", groups=list(groups or ["organization:570"]))
        assert answer.location.endswith("/setup/tagging")
        return self

    def to_deployment(self, *groups: str) -> Walk:
        self.to_tagging(*groups)
        assert self.next("tagging").location.endswith("/setup/deployment")
        return self

    def finish(self) -> Walk:
        answer = self.send("deployment")
        assert answer.location == f"/integrations/{self.id}", answer.get_data(as_text=True)
        return self
