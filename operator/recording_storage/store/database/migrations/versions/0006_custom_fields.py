"""What recorders say of recordings beyond the known fields."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recordings", sa.Column("custom", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("recordings", "custom")
