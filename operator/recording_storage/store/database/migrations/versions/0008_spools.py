"""Where spools are, and whose: until now each spool of a namespace had all of its accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "spool_places",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("namespace_uid", sa.String(64), primary_key=True),
        sa.Column("claim", sa.String(253), primary_key=True),
        sa.Column("sub_path", sa.String(1024), primary_key=True),
        sa.Column("namespace", sa.String(253), nullable=False),
        sa.Column("pod", sa.String(253), nullable=False),
        sa.Column("pod_uid", sa.String(64), nullable=False),
        sa.Column("volume", sa.String(253), nullable=False),
        sa.Column("account", sa.String(507), nullable=False),
        sa.Column("first_seen", TIME, nullable=False),
        sa.Column("last_seen", TIME, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
    )
    for column in ("namespace_uid", "revision"):
        op.create_index(f"ix_spool_places_{column}", "spool_places", [column])
    op.create_table(
        "spool_assignments",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("namespace_uid", sa.String(64), nullable=False),
        sa.Column("claim", sa.String(253), nullable=False),
        sa.Column("sub_path", sa.String(1024), nullable=False),
        sa.Column("account_sids", sa.JSON(), nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
    )
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("value", NUMBER, nullable=False),
    )
    op.bulk_insert(counters, [{"name": "spools", "value": 0}])


def downgrade() -> None:
    for table in ("counters", "spool_assignments", "spool_places"):
        op.drop_table(table)
