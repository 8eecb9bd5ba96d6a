"""A success that is answered before the body has come, by a server that then ends the connection."""

from tests.field.actions import succeed_early
from tests.field.exchange import Moment, Operation, is_recording
from tests.field.table.row import ONLY_MULTIPART, ONLY_SINGLE, Holds, Row
from tests.uploader.spools import MIB


def _early(operation: Operation, reads: int):
    return lambda server, _: server.on(
        operation, succeed_early(), at=Moment.HEAD, reads=reads, times=2, when=is_recording
    )


ROWS = tuple(
    Row(f"200 to {operation} after {reads} bytes of it", _early(operation, reads), Holds.STORED, ways, size=size)
    for operation, ways, size in ((Operation.PUT, ONLY_SINGLE, 7 * MIB), (Operation.PART, ONLY_MULTIPART, 0))
    for reads in (0, 1000)
)
