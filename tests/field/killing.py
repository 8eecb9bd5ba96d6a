"""An uploader that is killed at a certain request, whatever has become of that by then."""

import signal
from typing import Any

from tests.field.exchange import Exchange, Moment, Operation
from tests.field.server import FieldServer
from tests.s3client.fake_server import CLOSE
from tests.uploader.spools import SpoolFolder
from tests.waiting import SOON

KILLED = -signal.SIGKILL


def killed_at(spool: SpoolFolder, server: FieldServer, operation: Operation, *, at: Moment, **which: Any) -> None:
    """Run one until then; `which` as `FieldServer.on` takes them."""
    with spool.process() as child:

        def kill(_exchange: Exchange) -> bytes:
            child.kill()
            child.wait()
            return CLOSE

        rule = server.on(operation, kill, at=at, times=1, **which)
        assert child.wait(SOON) == KILLED
    server.mend(rule)
