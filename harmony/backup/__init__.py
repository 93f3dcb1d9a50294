"""Backups: copies of the database, their schedule, the sealed keys beside them, and the drill."""
