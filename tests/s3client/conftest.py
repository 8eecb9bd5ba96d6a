"""Clients for the tests, and certificates for a server on loopback."""

import datetime as dt
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from recording_storage.domain.bucket_url import parse_bucket_url
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.client import S3Client
from recording_storage.s3.connection import Timeouts
from recording_storage.s3.types import Credential, Destination

SECRET = "hunter2-the-secret-key"
CREDENTIAL = Credential("AKIDEXAMPLE", SECRET, "hunter3-the-session-token")


@pytest.fixture
def make_client():
    """A client of an endpoint on loopback, closed at the end; `destination` are fields of it."""
    clients = []

    def make(endpoint, *, url="", region="", credential=CREDENTIAL, read_timeout=5.0, options=None, **destination):
        location = parse_bucket_url(
            url or f"{endpoint}/bucket/calls", region=region, allowed_endpoints=[endpoint], allow_http=True
        )
        client = S3Client(
            Destination(location, **destination),
            credential=credential,
            guard=AddressGuard([endpoint]),
            timeouts=Timeouts(connect=5.0, read=read_timeout),
            **(options or {}),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def _certificate(folder, name, *, host="127.0.0.1", days=1):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    try:
        alternative = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(cert_file), str(key_file)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Certificate and key by name: good, another host's, expired."""
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "good": _certificate(folder, "good"),
        "other": _certificate(folder, "other", host="elsewhere.example"),
        "expired": _certificate(folder, "expired", days=-1),
    }
