"""Protection is tested on each database there is."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.database import on_both
from tests.protect.agent import Agent

database = on_both


@pytest.fixture
def agent(context: Flask) -> Agent:
    """A Protect app on the device UDID0; nobody is signed in."""
    return Agent(context.test_client())
