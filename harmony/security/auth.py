"""The gate: every view asks for a signed-in user unless it is marked `@public`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from flask import Flask, Response, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from harmony.clock import steady
from harmony.security import kept_forms, sessions, typed_form, users

View = TypeVar("View", bound=Callable[..., Any])

SIGN_IN = "/sign-in"
SETUP = "/setup"
HOME = "/"
STATIC = "static"
_LONGEST_PATH = 2048
PUBLIC = "harmony_public"
FORM = "harmony_form"
# The part of a page's address that names a form that was kept for it.
KEPT = "kept"
# Below these addresses programs ask, not browsers: what is not there is said, no door is shown.
_MACHINES = ("/protect/v1/",)


def public(view: View) -> View:
    """Mark a view as open to everybody. Goes below the route's decorator."""
    view.__dict__[PUBLIC] = True
    return view


def shown_on(endpoint: str, **values: str) -> Callable[[View], View]:
    """Mark a view that takes a form with the page the form is on. Goes below the route's decorator.

    What is sent to it after the session has ended is kept, and is on that page again after signing in.
    """

    def mark(view: View) -> View:
        view.__dict__[FORM] = (endpoint, values)
        return view

    return mark


def page_of_form() -> str | None:
    """The path of the page whose form was sent with this request; None when it is a button alone."""
    view = current_app.view_functions.get(request.endpoint or "")
    marked: tuple[str, dict[str, str]] | None = getattr(view, "__dict__", {}).get(FORM)
    if marked is None:
        return None
    endpoint, values = marked
    taken = {name for rule in current_app.url_map.iter_rules(endpoint) for name in rule.arguments}
    given = {name: value for name, value in (request.view_args or {}).items() if name in taken}
    return url_for(endpoint, **given | values)


def is_public(app: Flask, endpoint: str | None) -> bool:
    """Whether an endpoint may be asked signed out. An unknown address may not."""
    view = app.view_functions.get(endpoint or "")
    return endpoint == STATIC or PUBLIC in getattr(view, "__dict__", {})


def is_of_machines(path: str) -> bool:
    """Whether programs ask there, which want an answer in JSON."""
    return path.startswith(_MACHINES)


def init_app(app: Flask) -> None:
    """Ask at every request who is there; the answer is in `g.user`, None on public pages."""
    app.before_request(admit)


def admit() -> BaseResponse | None:
    """Let a public or signed-in request through; send any other to the door."""
    g.user = None
    nowhere = request.endpoint is None and is_of_machines(request.path)
    if nowhere or is_public(current_app, request.endpoint):
        return None
    if session := sessions.session_for(sessions.read_cookie(), steady()):
        g.user = session.user
        return None
    return _to_the_door()


def local_path(text: str | None) -> str:
    """`text` when it is a path of this site, else the start page.

    Browsers read a backslash as a slash and drop tabs and line ends, so none of them may be there.
    """
    path = text or ""
    plain = all("!" <= character != "\\" and character != "\x7f" for character in path)
    if not plain or not path.startswith("/") or path.startswith("//") or len(path) > _LONGEST_PATH:
        return HOME
    return path


def _to_the_door() -> BaseResponse:
    door = SETUP if not users.any_user() else _sign_in_address()
    if "HX-Request" not in request.headers:
        return redirect(door, 303)
    # htmx would follow a redirect unseen and put the sign-in page into the fragment's place.
    return Response("You are signed out.", 401, {"HX-Redirect": door}, mimetype="text/plain")


def _sign_in_address() -> str:
    wanted = local_path(_kept_form() or _page_asked_for())
    return SIGN_IN if wanted == HOME else f"{SIGN_IN}?next={quote(wanted, safe='/')}"


def _kept_form() -> str | None:
    """The page that will show what was just sent, once its user has signed in again; kept for that user only.

    None when it was no form, or nobody's.
    """
    if request.method in {"GET", "HEAD"} or (page := page_of_form()) is None:
        return None
    moment = steady()
    user_id = sessions.former_user(sessions.read_cookie(), moment)
    if user_id is None:
        return None
    id_ = kept_forms.keep(user_id, page, typed_form.of_request(), moment)
    return f"{page}?{KEPT}={id_}" if id_ else page


def _page_asked_for() -> str:
    """The page to return to: never a fragment, never the address of a form."""
    sends = request.method not in {"GET", "HEAD"}
    if "HX-Request" in request.headers and (sends or "HX-Boosted" not in request.headers):
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
        return f"{shown.path}?{shown.query}" if shown.query else shown.path
    if sends:
        return HOME
    return request.full_path if request.query_string else request.path
