"""Checks that the folders can be written, for /readyz: a full disk stops all but reading."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harmony.config import Settings

_PROBE = bytes(16 * 1024)
# Less is as good as nothing: the next commits of a sync would fill it.
_TOO_LITTLE = 2 * 1024 * 1024


def problems(settings: Settings) -> list[str]:
    """Name what cannot be written, and why. No paths: the page that asks is public."""
    found = []
    for folder, name in _places(settings).items():
        if why := refusal(folder):
            found.append(f"The disk of the {name} cannot be written: {why}.")
    return found


def refusal(folder: Path) -> str:
    """Return why nothing more can be stored in `folder`; "" when it can. Writes and removes a few bytes."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(_PROBE)
            probe.flush()
        system = os.statvfs(folder)
    except OSError as error:
        return error.strerror or type(error).__name__
    # Some file systems over a network know no sizes.
    if system.f_blocks and system.f_bavail * system.f_frsize < _TOO_LITTLE:
        return f"less than {_TOO_LITTLE // 1024**2} MiB are free"
    return ""


def _places(settings: Settings) -> dict[Path, str]:
    """Return each folder once, with the first of what lies in it."""
    database = settings.database_file
    named = [
        (settings.data_dir, "data folder"),
        (settings.queue_file.parent, "queue"),
        (Path(tempfile.gettempdir()), "temporary files"),
    ]
    first = [(database.parent, "database")] if database else []
    return dict(reversed(first + named))
