"""Sign-in and permission for every view not marked `@public`; a form sent signed out is kept for later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from flask import Flask, Response, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from harmony.clock import steady
from harmony.db.personal import hide_personal_data
from harmony.models import Role, User
from harmony.security import kept_forms, sessions, users
from harmony.security.addresses import HOME, below_prefix, full_address, local_address
from harmony.security.former_addresses import view_now
from harmony.security.kept_forms import TypedForm
from harmony.security.permissions import NotPermitted, Permission, is_permitted, needed_by
from harmony.security.principal import Principal, current_principal, principal_of, set_principal

_View = TypeVar("_View", bound=Callable[..., Any])

SIGN_IN = "/sign-in"
_CONFIRM = "/account/confirm"
SETUP = "/setup"
STATIC = "static"
_PUBLIC = "harmony_public"
_RECENT = "harmony_recent_proof"
FORM = "harmony_form"
_WIZARD = "wizard.show"
# The part of a page's address that names a form that was kept for it.
KEPT = "kept"
# Beside it when the session had not ended, but the proof of who sends it was too old.
CONFIRMED = "confirmed"
# Clients of these addresses are programs: an unknown one is answered with 404, not with the sign-in page.
_API_PREFIXES = ("/protect/v1/", "/connector/v1/", "/api/v1/", "/hooks/")


def public(view: _View) -> _View:
    """Mark a view that needs no sign-in. Goes below the route's decorator."""
    view.__dict__[_PUBLIC] = True
    return view


def needs_recent_proof(view: _View) -> _View:
    """Mark a view before which a person proves again who they are, unless they did within 15 minutes.

    What was sent is kept meanwhile, if the view is marked with `shown_on`. Goes below the route's decorator.
    """
    return needs_recent_proof_for()(view)


def needs_recent_proof_for(**arguments: str) -> Callable[[_View], _View]:
    """Mark a view likewise, for addresses with these arguments only."""

    def mark(view: _View) -> _View:
        view.__dict__[_RECENT] = arguments
        return view

    return mark


def asks_recent_proof(view: object, arguments: Mapping[str, object]) -> bool:
    """Tell if a view, asked for with these arguments, needs recent proof of who asks."""
    marked: dict[str, str] | None = getattr(view, "__dict__", {}).get(_RECENT)
    return marked is not None and marked.items() <= arguments.items()


def shown_on(endpoint: str, **values: str) -> Callable[[_View], _View]:
    """Mark a view that takes a form with the page the form is on. Goes below the route's decorator.

    A form that is sent after the session has ended is kept, and shown on that page again after sign-in.
    """

    def mark(view: _View) -> _View:
        view.__dict__[FORM] = (endpoint, values)
        return view

    return mark


def _marked() -> tuple[str, dict[str, str], Mapping[str, Any]] | None:
    """Return the page whose form this request sends, as `shown_on` marks it, with the address's arguments."""
    asked, given = (request.endpoint, request.view_args) if request.endpoint else view_now() or ("", {})
    view = current_app.view_functions.get(asked)
    marked: tuple[str, dict[str, str]] | None = getattr(view, "__dict__", {}).get(FORM)
    return (*marked, given or {}) if marked else None


def _is_in_wizard() -> bool:
    """Tell whether it is a page of the wizard, which takes its secrets from what is kept."""
    marked = _marked()
    return marked is not None and marked[0] == _WIZARD


def _page_of_form() -> str | None:
    """Return the path of the page whose form was sent with this request; None when it is a button alone."""
    if (marked := _marked()) is None:
        return None
    endpoint, values, given = marked
    names = {name for rule in current_app.url_map.iter_rules(endpoint) for name in rule.arguments}
    arguments = {name: value for name, value in given.items() if name in names}
    return url_for(endpoint, **arguments | values)


def is_public(app: Flask, endpoint: str | None) -> bool:
    """Tell whether an endpoint needs no sign-in. An unknown address needs one."""
    view = app.view_functions.get(endpoint or "")
    return endpoint == STATIC or _PUBLIC in getattr(view, "__dict__", {})


def is_api_path(path: str) -> bool:
    """Tell whether the clients of a path are programs, which want an answer in JSON."""
    return path.startswith(_API_PREFIXES)


def init_app(app: Flask) -> None:
    """Set `g.user` and the principal at every request, None on public pages; ask for the permission."""
    app.before_request(_require_login)
    app.before_request(_require_permission)
    app.before_request(_require_recent_proof)
    app.teardown_request(_show_personal_data)
    app.jinja_env.globals.update(may=may, may_open=may_open, Permission=Permission)


def _show_personal_data(_error: BaseException | None) -> None:
    """Leave nothing hidden to whatever this thread does after the request."""
    hide_personal_data(False)


def may(permission: Permission) -> bool:
    """Tell if whoever asked for this page has a permission."""
    return is_permitted(current_principal(), permission)


def may_open(endpoint: str, method: str = "GET") -> bool:
    """Tell if whoever asked for this page may ask for that one."""
    return may(needed_by(current_app.view_functions[endpoint], method))


def principal_for(user: User) -> Principal:
    """Return the principal of a user, with what is set for their role."""
    settings = None if user.role == Role.ADMINISTRATOR else user.role_settings
    return principal_of(user, hides_personal_data=settings is not None and settings.hides_personal_data)


def _require_login() -> BaseResponse | None:
    """Let a public or signed-in request through; redirect any other to the sign-in page."""
    g.user = None
    set_principal(None)
    is_unknown_api = request.endpoint is None and is_api_path(request.path)
    if is_unknown_api or is_public(current_app, request.endpoint):
        return None
    if session := sessions.session_for(sessions.read_cookie(), steady()):
        g.user, g.sign_in_session = session.user, session
        set_principal(principal_for(session.user))
        return None
    return _redirect_to_login()


def _require_permission() -> None:
    """Refuse a view that the role or the scope of the signed-in person does not reach."""
    principal, view = current_principal(), current_app.view_functions.get(request.endpoint or "")
    if principal is None or view is None or request.endpoint == STATIC:
        return
    permission = needed_by(view, request.method)
    if not is_permitted(principal, permission):
        raise NotPermitted(principal, permission)


def _require_recent_proof() -> BaseResponse | None:
    """Ask for the password again where it was given too long ago."""
    view = current_app.view_functions.get(request.endpoint or "")
    if g.user is None or not asks_recent_proof(view, request.view_args or {}):
        return None
    if sessions.is_reauthenticated(g.sign_in_session, steady()):
        return None
    kept = _keep_form(g.user.id)
    following = local_address(f"{kept}&{CONFIRMED}=1" if kept and KEPT in kept else kept or _page_before())
    return _lead_to(f"{below_prefix(_CONFIRM)}?next={quote(following, safe='/')}")


def _page_before() -> str:
    """Return the page whose button was pressed, or that is asked for."""
    if request.method in {"GET", "HEAD"}:
        return _requested_page()
    shown = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    return f"{shown.path}?{shown.query}" if shown.query else shown.path


def _redirect_to_login() -> BaseResponse:
    return _lead_to(_login_page() if users.any_user() else below_prefix(SETUP))


def _lead_to(page: str) -> BaseResponse:
    if "HX-Request" not in request.headers:
        return redirect(page, 303)
    # htmx would follow a redirect unseen and put the sign-in page into the fragment's place.
    return Response("You are signed out.", 401, {"HX-Redirect": page}, mimetype="text/plain")


def _login_page() -> str:
    kept = _keep_form(sessions.former_user(sessions.read_cookie(), steady()))
    following, page = local_address(kept or _requested_page()), below_prefix(SIGN_IN)
    return page if following == below_prefix(HOME) else f"{page}?next={quote(following, safe='/')}"


def _keep_form(user_id: int | None) -> str | None:
    """Keep the form of this request for a user, and return the page that shows it.

    None when it was no form, or of no known user.
    """
    if user_id is None or request.method in {"GET", "HEAD"} or (page := _page_of_form()) is None:
        return None
    typed = TypedForm.of_request()
    if not _is_in_wizard():
        typed = typed.without_secrets()
    id_ = kept_forms.keep(user_id, page, typed, steady())
    return f"{page}?{KEPT}={id_}" if id_ else page


def _requested_page() -> str:
    """Return the page to come back to: never a fragment, never the address of a form."""
    sends = request.method not in {"GET", "HEAD"}
    if "HX-Request" in request.headers and (sends or "HX-Boosted" not in request.headers):
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
        return f"{shown.path}?{shown.query}" if shown.query else shown.path
    return below_prefix(HOME) if sends else full_address()
