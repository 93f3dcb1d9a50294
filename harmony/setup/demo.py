"""Demo mode: Server Details of the simulated UEM, as it announced itself in the data folder."""

from __future__ import annotations

import json
from pathlib import Path

from harmony.config import Settings
from harmony.models.configuration import ServerDetails

_NAME = "Simulated UEM"


def announcement_file(settings: Settings) -> Path:
    """Return the file in which the simulated UEM leaves its address, certificate and credentials."""
    return settings.data_dir / "simulator.json"


def announcement(settings: Settings) -> dict[str, str] | None:
    """Return what the simulated UEM said of itself; None outside demo mode or before it is up."""
    if not settings.demo:
        return None
    try:
        said: dict[str, str] = json.loads(announcement_file(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said


def server_details(settings: Settings) -> ServerDetails | None:
    """Page 1 for the simulated UEM, with clear secrets; None when there is none."""
    said = announcement(settings)
    if said is None:
        return None
    return ServerDetails(
        display_name=_NAME,
        server_address=said["url"],
        token_address=said["token_url"],
        client_id=said["client_id"],
        client_secret=said["client_secret"],
        self_signed=True,
        certificate=said["ca_pem"],
    )
