"""How `recordings`, `retry` and `status` reach a spool: the uploader that runs there, or its journal when none does."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from recording_storage.cli.errors import Failure
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.journal.schema import SchemaTooNewError
from recording_storage.uploader.spool.folder import FOLDER, SpoolBusyError, SpoolError
from recording_storage.uploader.status import control_socket
from recording_storage.uploader.status.idle import ask_idle

START_TIME = 5.0
"""Seconds that an uploader may take from locking the spool to answering."""

spool_option = click.option(
    "--spool",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder that the recorder writes to.",
)


class SpoolAccess:
    """Asks one question after the other."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool.resolve()
        self._folder = self._spool / FOLDER
        if not self._folder.is_dir():
            raise Failure(f"{spool} is no spool: no uploader has run there yet")

    def ask(self, request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The answer's lines; raises Failure."""
        deadline = time.monotonic() + START_TIME
        while True:
            try:
                yield from control_socket.ask(self._folder, request)
            except control_socket.NobodyListensError:
                try:
                    yield from self._ask_journal(request)
                except SpoolBusyError as error:
                    if time.monotonic() < deadline:
                        time.sleep(0.1)  # it is starting or stopping; there is nothing to wait on
                        continue
                    raise Failure(
                        f"{error}, and that one doesn't answer here; ask where it runs, as its user"
                    ) from error
            except control_socket.ControlError as error:
                raise Failure(str(error)) from error
            return

    def _ask_journal(self, request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        try:
            yield from ask_idle(self._spool, request)
        except SpoolBusyError:
            raise
        except (control_socket.RequestError, SpoolError, JournalError, SchemaTooNewError) as error:
            raise Failure(str(error)) from error

    def ask_one(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer of one line."""
        for line in self.ask(request):
            return line
        raise Failure("the uploader gave no answer")
