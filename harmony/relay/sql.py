"""The statements of a call's way through the relay; a page of devices takes each of them once."""

from __future__ import annotations

SELECT_CONNECTOR_BY_NAME = """
    SELECT id, (SELECT max(seen_at) FROM connector_agent WHERE connector_id = connector.id)
    FROM connector WHERE name = ? AND revoked_at IS NULL
"""

SELECT_CONNECTOR_BY_KEY = """
    SELECT id FROM connector
    WHERE (key_hash = ? OR (former_hash = ? AND former_until > ?)) AND revoked_at IS NULL
"""

SELECT_AGENT_SEEN = "SELECT seen_at FROM connector_agent WHERE code = ? AND connector_id = ?"

DELETE_OTHER_AGENTS = """
    DELETE FROM connector_agent
    WHERE connector_id = ? AND code NOT IN (
        SELECT code FROM connector_agent WHERE connector_id = ? ORDER BY seen_at DESC LIMIT ?)
"""

INSERT_CALL = """
    INSERT INTO relay_call (id, connector_id, kind, sealed, repeatable, created_at, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""

DELETE_CALL = "DELETE FROM relay_call WHERE id = ?"

DELETE_EXPIRED_CALLS = "DELETE FROM relay_call WHERE expires_at < ?"

# Calls that nobody has, and those whose agent has fallen silent and that may be repeated.
SELECT_OPEN_CALL = """
    SELECT id FROM relay_call
    WHERE connector_id = ? AND answered_at IS NULL AND expires_at > ?
      AND (ticket_hash IS NULL OR (leased_until < ? AND repeatable))
    LIMIT 1
"""

UPDATE_CALLS_TAKEN = """
    UPDATE relay_call SET ticket_hash = ?, agent = ?, leased_until = ?
    WHERE id IN (
        SELECT id FROM relay_call
        WHERE connector_id = ? AND answered_at IS NULL AND expires_at > ?
          AND (ticket_hash IS NULL OR (leased_until < ? AND repeatable))
        ORDER BY created_at LIMIT ?)
    RETURNING id, kind, sealed, expires_at
"""

# Taken once, and only from the agent that has the call.
UPDATE_CALL_ANSWERED = """
    UPDATE relay_call SET leased_until = ?, answered_at = ?
    WHERE id = ? AND connector_id = ? AND ticket_hash = ? AND answered_at IS NULL AND expires_at > ?
"""

DELETE_LATER_PARTS = "DELETE FROM relay_part WHERE call_id = ? AND number >= ?"

INSERT_PART = "INSERT INTO relay_part (call_id, number, sealed) VALUES (?, ?, ?)"

SELECT_CALL_STATE = "SELECT answered_at, ticket_hash FROM relay_call WHERE id = ?"

SELECT_PARTS = "SELECT number, sealed FROM relay_part WHERE call_id = ? ORDER BY number"
