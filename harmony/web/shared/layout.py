"""What surrounds every page: navigation, banners, theme, versioned addresses of static files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, get_flashed_messages, request, url_for

from harmony.clock import now
from harmony.config import current_settings
from harmony.jobs.process_identity import WORKER_SILENT_AFTER, worker_seen_at
from harmony.web.shared import typed

_THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class _NavItem:
    """One entry of the main navigation."""

    label: str
    href: str
    icon: str
    current: bool


@dataclass(frozen=True, slots=True)
class Banner:
    """Something everybody should know, on top of the page."""

    level: str
    text: str
    href: str | None = None
    link_text: str | None = None


def init_app(app: Flask) -> None:
    """Offer the chrome to every template."""
    app.jinja_env.globals["asset"] = asset
    app.context_processor(_chrome)


def asset(path: str) -> str:
    """Return the address of a static file; `?v=` changes with its content, so that browsers may keep it."""
    digest = _digest(str(Path(str(current_app.static_folder)) / path))
    return url_for("static", filename=path, v=digest)


@cache
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def _chrome() -> dict[str, Any]:
    settings = current_settings()
    user = g.get("user")
    return {
        "current_user": user,
        "theme": theme if (theme := request.cookies.get("theme")) in _THEMES else "auto",
        "demo": settings.demo,
        "nav": list(_nav(settings.demo)) if user else [],
        "banners": list(_banners()) if user else [],
        "typed_notice": typed.notice(),
        "flashes": get_flashed_messages(with_categories=True),
    }


def _nav(demo: bool) -> Iterator[_NavItem]:
    entries = [
        ("Integrations", "integrations.index", "plug"),
        ("Devices", "devices.index", "device-mobile"),
        ("Apps", "apps.index", "apps"),
        ("Events", "events.index", "bell"),
        ("Policy", "policy.show", "shield-check"),
        ("Audit", "audit.index", "clipboard-list"),
    ]
    if demo:
        entries.append(("Demo device", "demo_device.show", "shield-check"))
    for label, endpoint, icon in entries:
        href = url_for(endpoint)
        yield _NavItem(label, href, icon, request.path.startswith(href))


def _banners() -> Iterator[Banner]:
    seen = worker_seen_at(now())
    if seen is None:
        yield Banner("danger", "No worker has run yet: devices are not synced. Start Harmony with make run.")
    elif now() - seen > WORKER_SILENT_AFTER:
        text = f"The worker has not been seen since {seen:%d %b %Y, %H:%M} UTC: devices are not synced."
        yield Banner(
            "danger", f"{text} It comes back by itself when Harmony runs; see the log if it does not."
        )
    if not request.is_secure and request.host.partition(":")[0] not in {"127.0.0.1", "localhost", "[", "::1"}:
        yield Banner("warning", "This connection is not encrypted. Put an HTTPS proxy in front of Harmony.")
