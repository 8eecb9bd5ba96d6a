"""Only addresses that a bucket can have are connected to, unless the endpoint is allowed."""

import ipaddress
import socket

import pytest

from recording_storage.s3.address_guard import AddressGuard, AddressRefusedError, refusal

PUBLIC = "52.218.1.1"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "169.254.170.2",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "192.88.99.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "100::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
    ],
)
def test_addresses_that_no_bucket_has_are_refused(address):
    assert refusal(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "172.32.0.1", "2600:1fa0::1", "::ffff:52.218.1.1", "64:ff9b::34da:101"]
)
def test_public_addresses_pass(address):
    assert refusal(ipaddress.ip_address(address)) == ""


def resolver(*addresses):
    asked = []

    def resolve(host, port):
        asked.append(host)
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses
        ]

    resolve.asked = asked
    return resolve


def test_the_address_that_was_judged_is_the_one_to_connect_to():
    resolve = resolver(PUBLIC, "2600:1fa0::1")
    found = AddressGuard(resolve=resolve).addresses(
        endpoint="https://s3.amazonaws.com", host="b.s3.amazonaws.com", port=443
    )
    assert found == [(socket.AF_INET, (PUBLIC, 443)), (socket.AF_INET6, ("2600:1fa0::1", 443))]
    assert resolve.asked == ["b.s3.amazonaws.com"]


def test_one_private_address_among_several_refuses_the_host():
    guard = AddressGuard(resolve=resolver(PUBLIC, "10.0.0.1"))
    with pytest.raises(AddressRefusedError, match=r"10\.0\.0\.1.*private.*--allow-endpoint https://x\.example"):
        guard.addresses(endpoint="https://x.example", host="x.example", port=443)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "::1", "localhost"])
def test_whatever_way_loopback_is_written_it_is_refused(host):
    with pytest.raises(AddressRefusedError, match="loopback"):
        AddressGuard().addresses(endpoint=f"https://{host}", host=host, port=443)


def test_an_allowed_endpoint_may_be_anywhere_but_no_other_port_of_it():
    guard = AddressGuard(["http://127.0.0.1:9000", "https://MINIO.example/"])
    assert guard.addresses(endpoint="http://127.0.0.1:9000", host="127.0.0.1", port=9000)
    with pytest.raises(AddressRefusedError):
        guard.addresses(endpoint="http://127.0.0.1:9001", host="127.0.0.1", port=9001)
    with pytest.raises(AddressRefusedError):
        guard.addresses(endpoint="https://127.0.0.1:9000", host="127.0.0.1", port=9000)
    assert guard.allowed_endpoints == {"http://127.0.0.1:9000", "https://minio.example"}


def test_a_scoped_address_is_judged_without_its_zone():
    with pytest.raises(AddressRefusedError, match="link-local"):
        AddressGuard(resolve=resolver("fe80::1%eth0")).addresses(endpoint="https://x", host="x", port=443)


def test_a_name_without_address_is_no_success():
    with pytest.raises(socket.gaierror):
        AddressGuard(resolve=resolver()).addresses(endpoint="https://x", host="x", port=443)
