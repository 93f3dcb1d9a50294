"""The worker process: the tasks of the queue, and the consumer that runs them."""

from __future__ import annotations

from flask import Flask

from harmony.config import Settings
from harmony.jobs import queue
from harmony.worker import tasks


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its queue and register every task on it."""
    tasks.register(queue.open_queue(app, settings), app)
