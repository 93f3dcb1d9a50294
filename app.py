"""The composition root: `app` for a WSGI server, `huey` for its consumer, `python app.py` for both."""

from __future__ import annotations

import os
import sys

from harmony import create_app
from harmony.config import Settings, SettingsError
from harmony.jobs.queue import queue_of
from harmony.ops.start import main

try:
    app = create_app(Settings.from_environment(os.environ))
except SettingsError as error:
    sys.exit(f"Harmony does not start: {error}")
huey = queue_of(app)

if __name__ == "__main__":
    sys.exit(main(app, sys.argv[1:]))
