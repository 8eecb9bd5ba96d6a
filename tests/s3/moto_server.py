"""moto in a process of its own, with its IAM enforced: quick, but keeps all in memory and believes every signature."""

import http.client
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.s3.process import ServerProcess
from tests.s3.servers import Credentials, everything
from tests.waiting import SOON


class MotoServer(ServerProcess):
    NAME = "moto"
    keeps_data: ClassVar[bool] = False
    checks_integrity: ClassVar[bool] = False
    deactivates_keys: ClassVar[bool] = False

    def __init__(self, *, tls: bool = False) -> None:
        super().__init__(tls=tls)
        self.iam_endpoint = self.endpoint

    def command(self) -> Sequence[str | Path]:
        argv: list[str | Path] = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        if self._certificate:
            argv += ["-s", "-c", self._certificate[0], "-k", self._certificate[1]]
        return argv

    def start(self) -> None:
        """After each start it is empty: buckets and users have to be made anew, and `root` is another."""
        if self._runs:
            return
        super().start()
        self.root = Credentials("anybody", "anything")  # it asks nobody until it has a user with all rights
        self.root = self.create_user(everything(), name="root").credentials
        self._enforce()

    def _enforce(self) -> None:
        connection: http.client.HTTPConnection
        if self.ca_file:
            context = ssl.create_default_context(cafile=str(self.ca_file))
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        # From the next request on: the body counts those that are still free.
        connection.request("POST", "/moto-api/reset-auth", body=b"0")
        answer = connection.getresponse()
        assert answer.status == http.HTTPStatus.OK, answer.read()
        connection.close()
