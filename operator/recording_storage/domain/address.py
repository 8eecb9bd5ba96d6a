"""Where a port listens, as `HOST:PORT` says it."""

import ipaddress
from dataclasses import dataclass
from typing import Self

_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Address:
    """Port 0: any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST:PORT`, `[V6]:PORT` or `:PORT` (all addresses).

        Raises:
            ValueError: it names the text and what to write.
        """
        host, colon, port = text.rpartition(":")
        digits = bool(colon) and port.isascii() and port.isdigit()
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not digits or int(port) > _HIGHEST_PORT or (":" in bare and not _is_v6(bare)) or "[" in bare:
            raise ValueError(f"{text!r} is no address to listen at: write HOST:PORT, such as 127.0.0.1:80 or [::1]:80")
        return cls(host=bare or "0.0.0.0", port=int(port))  # noqa: S104 - what an empty host means

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_v6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
