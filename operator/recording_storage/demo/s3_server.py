"""`python -m recording_storage.demo.s3_server PORT SHUT_FILE`: moto's S3 and IAM, rights enforced, behind a gate."""

import asyncio
import os
import sys
from pathlib import Path

from recording_storage.demo.gate import Gate


def main() -> None:
    # moto reads it at import; rights are enforced only after `reset-auth`, which the demo calls once its users are made
    os.environ.setdefault("INITIAL_NO_AUTH_ACTION_COUNT", "1000000000")
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - after the setting above

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, inner_port = server.get_host_and_port()
    gate = Gate(target_port=inner_port, shut_file=Path(sys.argv[2]))
    asyncio.run(gate.serve("127.0.0.1", int(sys.argv[1])))


if __name__ == "__main__":
    main()
