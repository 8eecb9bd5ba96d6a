"""Which addresses may be connected to.

A customer writes the bucket's URL, and this process connects to it: without a guard, that reaches whatever the process
can reach. So the name is resolved here, every address is judged, and the connection goes to exactly the address that
was judged: there is no second look-up that could answer otherwise.
"""

import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import Any

from recording_storage.domain.bucket_url import normalised_endpoint

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[Any]]
"""As `socket.getaddrinfo`, for TCP: (host, port) → its five-tuples."""

_WIRE_SERVERS = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Metadata services on public addresses (Azure's); the others are in ranges that are not global."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.ip_network("::/96")
_RESERVED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments, Oracle's metadata service among them
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "3fff::/20",  # documentation
    )
)
"""What `ipaddress` calls public in one Python version or another."""
_UNICAST_V6 = ipaddress.ip_network("2000::/3")
"""All that is given out of IPv6; what lies beyond is somebody's own."""

_REASONS: tuple[tuple[str, Callable[[IPAddress], bool]], ...] = (
    ("metadata service", lambda address: address in _WIRE_SERVERS),
    ("unspecified", lambda address: address.is_unspecified),
    ("loopback", lambda address: address.is_loopback),
    ("link-local", lambda address: address.is_link_local),
    ("multicast", lambda address: address.is_multicast),
    ("private", lambda address: address.is_private),
    ("reserved", lambda address: address.is_reserved or not address.is_global),
    ("reserved", lambda address: any(address in network for network in _RESERVED)),
    ("reserved", lambda address: isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST_V6),
)
"""Why an address is refused; the first that holds is told."""


class AddressRefusedError(ValueError):
    """An address that must not be connected to; the message names it and the remedy."""


def refusal(address: IPAddress) -> str:
    """Why `address` is refused, "" when it isn't. IPv6 addresses that carry an IPv4 one are judged by that, too."""
    carried = _carried(address) if isinstance(address, ipaddress.IPv6Address) else None
    if carried is not None and not address.is_unspecified and not address.is_loopback:
        return refusal(carried)
    return next((reason for reason, holds in _REASONS if holds(address)), "")


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or address in _V4_COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _resolve(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


class AddressGuard:
    """Resolves hosts, and refuses addresses that no bucket has, unless their endpoint is allowed."""

    def __init__(self, allowed_endpoints: Collection[str] = (), *, resolve: Resolver = _resolve) -> None:
        """Take the endpoints, as `scheme://host[:port]`, whose addresses are not judged."""
        self._allowed = frozenset(normalised_endpoint(endpoint) for endpoint in allowed_endpoints)
        self._resolve = resolve

    @property
    def allowed_endpoints(self) -> frozenset[str]:
        return self._allowed

    def addresses(self, *, endpoint: str, host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
        """The addresses to connect to, in the resolver's order, each as (family, socket address).

        One refused address among several refuses the host: which one is connected to must not depend on luck.

        Args:
            endpoint: the location's endpoint (without the bucket): this is what is allowed or not.
            host: the name or literal address to resolve.
            port: TCP port.

        Raises:
            AddressRefusedError: an address is refused.
            OSError: the name does not resolve (`socket.gaierror`).
        """
        found = self._resolve(host, port)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, f"{host} has no address")
        result = []
        for family, _type, _protocol, _name, address in found:
            if endpoint not in self._allowed:
                ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
                if reason := refusal(ip):
                    raise AddressRefusedError(
                        f"{host} has the address {ip}, which is refused ({reason}); "
                        f"have {endpoint} allowed if it is meant (store: --allow-endpoint {endpoint})"
                    )
            result.append((family, address))
        return result
