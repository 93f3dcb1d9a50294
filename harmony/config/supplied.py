"""The secrets that the environment supplies to a configuration file."""

from __future__ import annotations

import os
import re

from harmony.config.values import trimmed

# Those that an export names; any other variable may be named in their place.
EXPORTED = re.compile(
    r"HARMONY_(UEM_[1-9]\d*_(CLIENT_SECRET|PASSWORD|API_KEY)|MAIL_PASSWORD|CHANNEL_[1-9]\d*_URL)"
)


def supplied(name: str) -> str:
    """Return what the environment says under that name, "" when it says nothing."""
    return trimmed(os.environ.get(name, ""))
