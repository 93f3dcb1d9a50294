"""SQL: the condition that the stored id of a device is one of the UEM that its integration leads to now."""

from __future__ import annotations

# After a move to another UEM, what its first complete sync did not list still has an id of the former one.
_IN_USE = """(coalesce({device}.missing_since, {device}.deleted_at) IS NULL OR NOT EXISTS (
 SELECT 1 FROM integration i WHERE i.id = {device}.integration_id
 AND i.ids_proven_at >= coalesce({device}.missing_since, {device}.deleted_at)))"""


def has_current_id(device: str) -> str:
    """Return the condition on the device of that name or alias in the query."""
    return _IN_USE.format(device=device)
