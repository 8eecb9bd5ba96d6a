"""Which columns hold secrets, sealed by the master key, and with which keys these are."""

from dataclasses import dataclass

import sqlalchemy as sa

from recording_storage.store.database.engine import Database
from recording_storage.store.database.models import Account, ApiKey, AwsCredential

Owner = Account | ApiKey | AwsCredential


@dataclass(frozen=True)
class Sealed:
    """A column that holds boxes."""

    model: type[Owner]
    column: str

    @property
    def table(self) -> str:
        """As it stands in the boxes' associated data."""
        return self.model.__tablename__

    @property
    def boxes(self) -> sa.ColumnElement[bytes]:
        found: sa.ColumnElement[bytes] = self.model.__table__.c[self.column]
        return found


SEALED = (Sealed(Account, "auth_token_box"), Sealed(ApiKey, "secret_box"), Sealed(AwsCredential, "box"))


def box_heads(database: Database, *, size: int) -> frozenset[bytes]:
    """The first `size` bytes of every box, each once."""
    with database.read() as session:
        return frozenset(
            bytes(head)
            for each in SEALED
            for head in session.scalars(
                sa.select(sa.func.substr(each.boxes, 1, size)).where(each.boxes.is_not(None)).distinct()
            )
        )
