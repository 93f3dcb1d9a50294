"""What surrounds every page: navigation, banners, theme, versioned addresses of static files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, get_flashed_messages, request, url_for

from harmony.clock import now
from harmony.config import current_settings
from harmony.config.version import VERSION
from harmony.db import db, is_sqlite
from harmony.jobs import caution, presence
from harmony.jobs.presence import WORKER_SILENT_AFTER, worker_seen_at
from harmony.messages.notices.watch import open_troubles
from harmony.security.addresses import HOME, below_prefix, full_address, page_address
from harmony.security.auth import may_open
from harmony.setup.demo import announcement
from harmony.web.shared import shortcuts, typed

_THEMES = ("auto", "light", "dark")
# What is looked at all day is in the bar; what is set up once opens below Settings, as in the vendor's guide.
_BAR = (
    ("Overview", "overview.show", "layout-dashboard"),
    ("Devices", "devices.index", "device-mobile"),
    ("Apps", "apps.index", "apps"),
    ("Events", "events.index", "bolt"),
)
_DEMO_DEVICE = ("Demo device", "demo_device.show", "shield-check")
_SETTINGS = (
    ("Integrations", "integrations.index", "plug"),
    ("Policy", "policy.show", "shield-check"),
    ("Exceptions", "exceptions.index", "hand-stop"),
    ("Connectors", "connectors.index", "server"),
    ("Outbound proxy", "proxy.show", "external-link"),
    ("Messages", "messages.index", "mail"),
    ("Notices", "notices.show", "bell"),
    ("Destinations", "destinations.index", "arrow-right"),
    ("API keys", "api_keys.index", "key"),
    ("Users", "users.index", "user"),
    ("Sign-in", "sign_in_rules.show", "key"),
    ("Single sign-on", "sign_on_settings.show", "key"),
    ("Audit Trail", "audit.index", "clipboard-list"),
    ("Nodes", "nodes.index", "server"),
)


@dataclass(frozen=True, slots=True)
class _NavItem:
    """One entry of the main navigation."""

    label: str
    href: str
    icon: str
    current: bool


@dataclass(frozen=True, slots=True)
class _Navigation:
    """The main navigation: the entries of the bar, and those that open below Settings."""

    bar: list[_NavItem]
    settings: list[_NavItem]

    @property
    def in_settings(self) -> bool:
        """Tell if the page belongs to Settings."""
        return any(item.current for item in self.settings)

    @property
    def here(self) -> str:
        """The entry that the page belongs to."""
        return next((item.label for item in self.bar + self.settings if item.current), "Menu")


@dataclass(frozen=True, slots=True)
class Banner:
    """Something everybody should know, on top of the page."""

    level: str
    text: str
    href: str | None = None
    link_text: str | None = None


def init_app(app: Flask) -> None:
    """Offer to every template what surrounds a page."""
    app.jinja_env.globals.update(asset=_asset, edition_seen=typed.edition_seen)
    app.context_processor(_context)


def _asset(path: str) -> str:
    """Return the address of a static file; `?v=` changes with its content, so that browsers may keep it."""
    return _address(path, request.script_root)


# A page names the file of the icons a hundred times; building its address anew was a third of a list's time.
@cache
def _address(path: str, _script_root: str) -> str:
    content = Path(str(current_app.static_folder), path).read_bytes()
    return url_for("static", filename=path, v=hashlib.sha256(content).hexdigest()[:12])


@cache
def _page(endpoint: str, _script_root: str) -> str:
    return url_for(endpoint)


def _context() -> dict[str, Any]:
    settings = current_settings()
    return {
        "current_user": g.get("user"),
        "theme": theme if (theme := request.cookies.get("theme")) in _THEMES else "auto",
        "demo": settings.demo,
        "control_page": (announcement(settings) or {}).get("control_url"),
        "full_address": full_address(),
        "prefix": request.script_root,
        "harmony_version": VERSION,
        "surroundings": _Surroundings(),
    }


class _Surroundings:
    """Everything that only a whole page shows, made when `base.html` asks for it.

    A part of a page, which may be asked for every second, pays for none of it, and takes no notice away that
    the next page is to show.
    """

    @cached_property
    def nav(self) -> _Navigation | None:
        """Return the navigation; None for a visitor."""
        return _nav(current_settings().demo) if g.get("user") else None

    @cached_property
    def banners(self) -> list[Banner]:
        """Return what everybody who is signed in should know."""
        return list(_banners()) if g.get("user") else []

    @cached_property
    def has_trouble(self) -> bool:
        """Tell whether the icon of the page shows trouble."""
        return bool(self.banners) or (g.get("user") is not None and open_troubles(db.session()))

    @cached_property
    def shortcuts(self) -> dict[str, str] | None:
        """Return the pages that keys lead to; None where they are off."""
        return shortcuts.addresses() if g.get("user") and shortcuts.are_on() else None

    @cached_property
    def typed_notice(self) -> str | None:
        """Return the sentence about a form that was sent after the session had ended."""
        return typed.notice()

    @cached_property
    def flashes(self) -> list[Any]:
        """Take the notices of the request before, with their levels."""
        return list(get_flashed_messages(with_categories=True))


def _nav(demo: bool) -> _Navigation:
    bar = [*_BAR, _DEMO_DEVICE] if demo else _BAR
    return _Navigation(_nav_items(bar), _nav_items(_SETTINGS))


def _nav_items(entries: Sequence[tuple[str, str, str]]) -> list[_NavItem]:
    """Return the entries whose page the signed-in person may open."""
    return [_nav_item(entry) for entry in entries if may_open(entry[1])]


def _nav_item(entry: tuple[str, str, str]) -> _NavItem:
    label, endpoint, icon = entry
    address, href = page_address(), _page(endpoint, request.script_root)
    current = address == href if href == below_prefix(HOME) else address.startswith(href)
    return _NavItem(label, href, icon, current)


def _banners() -> Iterator[Banner]:
    if caution.since() is not None:
        href = url_for("caution.show") if may_open("caution.show") else None
        yield Banner("warning", caution.SENTENCE, href, "Look and confirm")
    seen = worker_seen_at(now())
    if seen is None:
        yield Banner("danger", "No worker has run yet: devices are not synced. Start Harmony with make run.")
    elif now() - seen > WORKER_SILENT_AFTER:
        text = f"The worker has not been seen since {seen:%d %b %Y, %H:%M} UTC: devices are not synced."
        yield Banner(
            "danger", f"{text} It comes back by itself when Harmony runs; see the log if it does not."
        )
    yield from _of_nodes()
    if not request.is_secure and request.host.partition(":")[0] not in {"127.0.0.1", "localhost", "[", "::1"}:
        yield Banner("warning", "This connection is not encrypted. Put an HTTPS proxy in front of Harmony.")


def _of_nodes() -> Iterator[Banner]:
    """Yield what is wrong between several nodes; there is one on SQLite."""
    if is_sqlite():
        return
    found, at = presence.processes(db.session()), now()
    href = url_for("nodes.index") if may_open("nodes.index") else None
    for process in presence.silent(found, at):
        role = "dashboard" if process.role == "web" else "worker"
        text = (
            f"The {role} of node {process.node} has been silent since {process.seen_at:%d %b %Y, %H:%M} UTC."
        )
        yield Banner("warning", text, href, "Nodes")
    if len(differing := presence.versions(found, at)) > 1:
        text = f"Different versions of Harmony run: {', '.join(differing)}. Upgrade the other nodes too."
        yield Banner("warning", text, href, "Nodes")
