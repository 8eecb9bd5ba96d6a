"""How many recordings a command has moved."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("commands", sa.Column("retried", number, nullable=True))


def downgrade() -> None:
    op.drop_column("commands", "retried")
