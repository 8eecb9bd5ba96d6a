"""Free ports of the loopback interface."""

import socket


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on now; whoever uses one must be ready to find it taken."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def free_port() -> int:
    return free_ports(1)[0]
