"""Denials: of some requests, for a while, of one right only. What is denied for good is told, and comes back, too."""

import random

from recording_storage.domain.policy import FatalErrorPolicy
from tests.field.actions import refuse
from tests.field.exchange import ALL, WRITES, Action, Operation
from tests.field.table.row import BOTH, Holds, Row

_DENIED = refuse(403, "AccessDenied", "User is not authorized to perform: s3:PutObject on resource")
_LISTS = (Operation.LIST_UPLOADS, Operation.LIST_PARTS)
_POLICIES = (("kept", {}), ("deleted", {"fatal_error_policy": FatalErrorPolicy.DELETE}))


def _some(action: Action, *, times: int | None = None, operations=WRITES):
    return lambda server, _: server.on(operations, action, times=times)


def _one_in_four(server, _storage):
    """At random: each fourth exactly may meet the same step of what is asked again and again, every time."""
    chance = random.Random(4)
    return server.on(WRITES, _DENIED, when=lambda _exchange: chance.random() < 0.25)


ROWS = (
    *(
        Row(f"{name} where what is fatal is {word}", odd, Holds.STORED, policy=policy)
        for word, policy in _POLICIES
        for name, odd in (
            ("one write in four denied", _one_in_four),
            ("the first three requests denied", _some(_DENIED, times=3, operations=ALL)),
            ("the first eight writes denied", _some(_DENIED, times=8)),
            ("the first three denied by AllAccessDisabled", _some(refuse(403, "AllAccessDisabled", "no"), times=3)),
        )
    ),
    *(
        Row(
            f"{name} denied where what is fatal is {word}",
            _some(_DENIED, operations=operations),
            Holds.COMES_BACK,
            policy=policy,
        )
        for word, policy in _POLICIES
        for name, operations in (("everything", ALL), ("every write", WRITES))
    ),
    *(
        Row(
            f"every list denied where what is fatal is {word}",
            _some(_DENIED, operations=(Operation.LIST_UPLOADS,)),
            Holds.STORED,
            BOTH,
            policy=policy,
        )
        for word, policy in _POLICIES
    ),
)
