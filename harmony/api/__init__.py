"""The public API, /api/v1: what an administrator's other systems read and do, with a key of their own."""
