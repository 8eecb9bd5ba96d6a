"""versitygw with its IAM service: strict about signatures, dates and checksums; its data survive SIGKILL."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.s3.process import ServerProcess
from tests.s3.servers import Credentials
from tests.tools import binaries
from tests.tools.ports import free_port


class VersityServer(ServerProcess):
    NAME = "versitygw"
    keeps_data: ClassVar[bool] = True
    checks_integrity: ClassVar[bool] = True
    deactivates_keys: ClassVar[bool] = True

    def __init__(self, *, tls: bool = False, keep_alive: bool = False) -> None:
        self._binary = binaries.find("versitygw")  # before anything is started that would have to be ended
        self._keep_alive = keep_alive
        super().__init__(tls=tls)
        self.root = Credentials("root-access-key", "root-secret-key")
        self._iam_port = free_port()
        self.iam_endpoint = f"http://127.0.0.1:{self._iam_port}"
        self._iam_runs = False
        for name in ("data", "iam"):
            (self.folder / name).mkdir()

    def start(self) -> None:
        """The IAM service is started once: only the S3 side is stopped and killed."""
        if not self._iam_runs:
            options = ["iam", "--dir", self.folder / "iam", "--private-ports", self._socket]
            argv = [*self._base(self._iam_port), *options]
            self.launch("versitygw-iam", argv, port=self._iam_port, socket_file=self._socket)
            self._iam_runs = True
        super().start()

    def command(self) -> Sequence[str | Path]:
        options: list[str | Path] = ["--iam-standalone-endpoint", self._socket, "--iam-cache-disable"]
        if self._certificate:
            options += ["--cert", self._certificate[0], "--key", self._certificate[1]]
        if self._keep_alive:
            options.append("--keep-alive")
        return [*self._base(self.port), *options, "posix", self.folder / "data"]

    @property
    def _socket(self) -> Path:
        return self.folder / "iam.sock"

    def _base(self, port: int) -> list[str | Path]:
        return [self._binary, "-a", self.root.access_key, "-s", self.root.secret_key, "-p", f"127.0.0.1:{port}"]
