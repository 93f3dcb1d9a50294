"""Disagreements between engine and oracle that are not settled yet; each is taken out with its repair."""

from __future__ import annotations

# A missing device whose row is listed again but cannot be read stays missing, and is even deleted.
UNREADABLE_STAYS_MISSING = True

