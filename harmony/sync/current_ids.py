"""SQL: the condition that the stored id of a device is one of the UEM that its integration leads to now."""

from __future__ import annotations

# Only a run that placed the device after the last move to another UEM says so; a doubt that keeps it doesn't.
_PLACED_HERE = """{device}.uem_generation = (SELECT i.uem_generation FROM integration i
 WHERE i.id = {device}.integration_id)"""


def has_current_id(device: str) -> str:
    """Return the condition on the device of that name or alias in the query."""
    return _PLACED_HERE.format(device=device)
