"""Work outside the request: the queue is a doorbell only, what is due stands in the database."""

from __future__ import annotations

from flask import Flask

from harmony.config import Settings
from harmony.jobs import queue, tasks


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its queue and register every task on it."""
    tasks.register(queue.open_queue(app, settings), app)
