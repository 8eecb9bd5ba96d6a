"""Refusals of some recordings alone: they are parked, and no other waits for them."""

from recording_storage.s3.probe import PROBE_NAME
from tests.field.actions import refuse
from tests.field.exchange import Operation
from tests.field.table.row import BOTH, Holds, Row


def _refused(status: int, code: str):
    operations = (Operation.PUT, Operation.BEGIN)
    return lambda server, _: server.on(
        operations, refuse(status, code, "no"), when=lambda exchange: PROBE_NAME not in exchange.key
    )


ROWS = (
    Row("400 KeyTooLongError", _refused(400, "KeyTooLongError"), Holds.PARKED, BOTH, code="KeyTooLongError"),
    Row("400 MetadataTooLarge", _refused(400, "MetadataTooLarge"), Holds.PARKED, BOTH, code="MetadataTooLarge"),
    Row("400 EntityTooLarge", _refused(400, "EntityTooLarge"), Holds.PARKED, BOTH, code="EntityTooLarge"),
    Row("400 InvalidArgument", _refused(400, "InvalidArgument"), Holds.PARKED, BOTH, code="InvalidArgument"),
    Row("400 in a code that nobody knows", _refused(400, "XVendor"), Holds.PARKED, BOTH, code="XVendor"),
    Row("403 AccessDenied", _refused(403, "AccessDenied"), Holds.PARKED, BOTH, code="AccessDenied"),
)
