"""A trigram index behind the search for devices; the worker fills it from those that are there.

A later step that makes `device` anew on SQLite has to make its triggers anew too.
"""

from __future__ import annotations

from alembic import op

from harmony.models import search_index

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    search_index.create(op.get_bind())


def downgrade() -> None:
    is_sqlite = search_index.is_sqlite(op.get_bind())
    if not search_index.is_there(op.get_bind()):
        return
    for name in search_index.TRIGGERS:
        op.execute(f"DROP TRIGGER {name}" if is_sqlite else f"DROP TRIGGER {name} ON device")
    if not is_sqlite:
        op.execute("DROP FUNCTION note_device")
    op.execute(f"DROP TABLE {search_index.NOTED}")
    op.execute(f"DROP TABLE {search_index.INDEX}")
