"""Indexes by which lists, plans and deletions find their recordings among a million."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAMED = ("source_sid", "room_sid", "participant_sid", "call_sid", "conference_sid")
_LISTED = ("account_sid", "product")
_ORDER = ("created_at", "sid")
_PARTIAL = {
    **{f"recordings_by_{name}": ((*_LISTED, name, *_ORDER), f"{name} != ''") for name in _NAMED},
    "recordings_by_type": ((*_LISTED, "type", *_ORDER), "product = 'video'"),
    "recordings_incomplete": ((*_LISTED, *_ORDER), "state NOT IN ('released', 'reported', 'stored')"),
    "recordings_unfinished": (
        ("account_sid", "spool_id", "destination_id"),
        "state IN ('found', 'held', 'parked', 'rejected', 'uploading', 'waiting') AND deleted_at IS NULL",
    ),
}


def upgrade() -> None:
    op.execute(
        "UPDATE recordings SET type = CASE WHEN lower(content_type) LIKE 'audio/%' THEN 'audio'"
        " WHEN lower(content_type) LIKE 'video/%' THEN 'video' ELSE 'data' END WHERE type = ''"
    )
    for name in ("recordings_by_room", "recordings_by_call", "ix_recordings_spool_id"):
        op.drop_index(name, table_name="recordings")
    for name, (columns, where) in _PARTIAL.items():
        op.create_index(name, "recordings", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_index("ix_spools_account_sid", "spools", ["account_sid"])


def downgrade() -> None:
    op.drop_index("ix_spools_account_sid", table_name="spools")
    for name in _PARTIAL:
        op.drop_index(name, table_name="recordings")
    op.create_index("ix_recordings_spool_id", "recordings", ["spool_id"])
    op.create_index("recordings_by_room", "recordings", ["account_sid", "room_sid"])
    op.create_index("recordings_by_call", "recordings", ["account_sid", "call_sid"])
