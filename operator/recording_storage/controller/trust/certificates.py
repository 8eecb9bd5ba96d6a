"""Certificates: made, signed, and read again."""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from recording_storage.controller.trust.decide import Validity

_EARLIER = timedelta(minutes=5)
"""By which clocks may differ: a certificate begins so much before it is made, or a sixtieth of its life."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: str
    key: str = field(repr=False)


def new_authority(name: str, *, life: timedelta, now: datetime) -> Pair:
    """One that signs servers' certificates and no other authority's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=False, key_cert_sign=True, crl_sign=True,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _begun(key.public_key(), subject=subject, life=life, now=now)
        .issuer_name(subject)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def issue(authority: Pair, *, hosts: Sequence[str], life: timedelta, now: datetime) -> Pair:
    """A server's certificate for `hosts`; it never outlives who has signed it."""
    issuer = _certificate(authority.certificate)
    issuer_key = serialization.load_pem_private_key(authority.key.encode(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "recording-storage store")])
    certificate = (
        _begun(key.public_key(), subject=subject, life=life, now=now)
        .issuer_name(issuer.subject)
        .not_valid_after(min(now + life, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host(each) for each in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return _pair(certificate, key)


def validity(certificate: str) -> Validity | None:
    """From when to when it is valid; None where it is no certificate."""
    try:
        found = _certificate(certificate)
    except ValueError:
        return None
    return Validity(found.not_valid_before_utc, found.not_valid_after_utc)


def usable(pair: Pair) -> bool:
    """Whether both are there and belong together."""
    try:
        key = serialization.load_pem_private_key(pair.key.encode(), None)
        public = _certificate(pair.certificate).public_key()
    except (ValueError, TypeError):
        return False
    return isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == public


def serves(leaf: Pair, *, hosts: Sequence[str], authority: str) -> bool:
    """Whether `authority` has signed the certificate, for just these hosts."""
    certificate = _certificate(leaf.certificate)
    try:
        certificate.verify_directly_issued_by(_certificate(authority))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return set(names) == {_host(each) for each in hosts}


def trust(context: ssl.SSLContext, bundle: str) -> None:
    """Have connections from now on trust these authorities, too; those that have ended are of no use by themselves."""
    context.load_verify_locations(cadata=bundle)


def _begun(
    public: ec.EllipticCurvePublicKey, *, subject: x509.Name, life: timedelta, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - min(_EARLIER, life / 60))
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return Pair(
        certificate.public_bytes(encoding).decode(),
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain).decode(),
    )


def _certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
