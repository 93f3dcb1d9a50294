"""How gunicorn serves the dashboard under the supervisor."""

from __future__ import annotations

import gc
import os
from typing import Any

from harmony.config import Settings
from harmony.ops import logs, temporary
from harmony.ops.lifeline import leave_with_parent

wsgi_app = "app:app"
worker_class = "gthread"
workers = 1
threads = 32
timeout = 60
graceful_timeout = 20
keepalive = 5
# gunicorn listens on a control socket by default since 25.1; nobody here uses it.
control_socket_disable = True
# Its heartbeat is a file too.
worker_tmp_dir = temporary.prepare(Settings.from_environment(os.environ).data_dir)
accesslog = None
loglevel = "info"


def on_starting(_server: Any) -> None:
    """Watch the supervisor from gunicorn's own main process."""
    leave_with_parent()


def post_worker_init(_worker: Any) -> None:
    """Log as the worker does, and move what was imported out of the collector's sight.

    A full collection of everything that was imported costs about 38 ms in the middle of some request.
    """
    logs.configure(Settings.from_environment(os.environ).log_level)
    gc.collect()
    gc.freeze()
