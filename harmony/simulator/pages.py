"""The control page as HTML: plain forms, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from harmony.simulator import state
from harmony.simulator.context import Tenant
from harmony.simulator.faults import KINDS, LIES
from harmony.simulator.routes import AREAS
from harmony.simulator.switches import SWITCHES

_FOLDER = Path(__file__).parent / "templates"
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def control(tenant: Tenant, query: Mapping[str, str]) -> str:
    """The page: groups, changes, switches, faults, and a table of devices with their tags."""
    return _TEMPLATES.get_template("control.html").render(
        state=state.whole(tenant),
        found=state.devices(tenant, query),
        query=query,
        kinds=KINDS,
        lies=LIES,
        switches=SWITCHES,
        areas=AREAS,
    )


def style() -> bytes:
    """The stylesheet of the page."""
    return (_FOLDER / "style.css").read_bytes()
