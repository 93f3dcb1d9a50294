"""What UEMs announce is stored on each database there is."""

from __future__ import annotations

from tests.database import on_both

database = on_both
