"""Denials that last, of a destination that has not worked yet: nothing is deleted, and all comes back."""

from recording_storage.domain.policy import FatalErrorPolicy
from tests.field.actions import refuse
from tests.field.exchange import ALL, WRITES
from tests.field.table.row import ONLY_SINGLE, Holds, Row

_DENIED = refuse(403, "AccessDenied", "User is not authorized to perform: s3:PutObject on resource")
_POLICIES = (("kept", {}), ("deleted", {"fatal_error_policy": FatalErrorPolicy.DELETE}))


ROWS = tuple(
    Row(
        f"{name} denied where what is fatal is {word}",
        lambda server, _, operations=operations: server.on(operations, _DENIED),
        Holds.COMES_BACK,
        ONLY_SINGLE,
        policy=policy,
    )
    for word, policy in _POLICIES
    for name, operations in (("everything", ALL), ("every write", WRITES))
)
