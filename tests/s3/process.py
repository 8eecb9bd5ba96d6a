"""What the servers have in common: processes in a temporary folder, on a port that stays."""

import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.s3.servers import S3Server
from tests.tools.children import Children
from tests.tools.errors import ToolFailed
from tests.tools.pki import Authority
from tests.tools.ports import free_port
from tests.tools.progress import tail

READY_TIMEOUT = 20.0  # seconds


class ServerProcess(S3Server):
    """A server whose main process is `NAME`; subclasses say how it is called."""

    NAME: str

    def __init__(self, *, tls: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="recording-storage-s3-"))
        self._children = Children(remove=[self.folder])
        self.port = free_port()
        self._certificate: tuple[Path, Path] | None = None
        if tls:
            authority = Authority(self.folder / "pki")
            self.ca_file = authority.certificate_file
            self._certificate = authority.issue("server", common_name="localhost")
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._runs = False

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def start(self) -> None:
        if self._runs:
            return
        self.launch(self.NAME, self.command(), port=self.port)
        self._runs = True

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def close(self) -> None:
        self._children.close()

    def _end(self, number: signal.Signals) -> None:
        if self._runs:
            self._children.stop(self.NAME, signal_number=number)
            self._runs = False

    def launch(self, name: str, argv: Sequence[str | Path], *, port: int, socket_file: Path | None = None) -> None:
        """Starts a process and waits until it listens on `port`, and on `socket_file` if given."""
        log = self.folder / f"{name}.log"
        self._children.start(name, argv, log=log, cwd=self.folder)
        deadline = time.monotonic() + READY_TIMEOUT
        while not (_listens(port) and (socket_file is None or socket_file.exists())):
            if self._children.exit_code(name) is not None:
                raise ToolFailed(f"{name} ended while it started:\n{tail(log)}")
            if time.monotonic() > deadline:
                raise ToolFailed(f"{name} is not ready after {READY_TIMEOUT:.0f} s:\n{tail(log)}")
            time.sleep(0.02)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
