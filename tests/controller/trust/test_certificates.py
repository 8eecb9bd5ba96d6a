"""Certificates as TLS takes them, and an authority as its Secret keeps it."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recording_storage.controller.trust.authority import Authority
from recording_storage.controller.trust.certificates import Pair, issue, new_authority, serves, trust, usable, validity

NOW = datetime.now(UTC)
LIFE = timedelta(days=1)
HOSTS = ("store.recordings.svc", "127.0.0.1", "::1")


def shaken(leaf: Pair, bundle: str, *, host: str, folder: Path) -> None:
    """A handshake in memory; raises ssl.SSLError."""
    (folder / "tls.crt").write_text(leaf.certificate)
    (folder / "tls.key").write_text(leaf.key)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust(client_context, bundle)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    left = [client, server]
    for _ in range(6):
        for each in tuple(left):
            try:
                each.do_handshake()
                left.remove(each)
            except ssl.SSLWantReadError:
                continue
    assert left == []


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_that_trusts_the_authority_takes_its_certificate(tmp_path: Path, host: str) -> None:
    authority = new_authority("a", life=LIFE, now=NOW)
    shaken(issue(authority, hosts=HOSTS, life=LIFE, now=NOW), authority.certificate, host=host, folder=tmp_path)


def test_no_client_takes_it_for_another_host_or_from_another_authority(tmp_path: Path) -> None:
    authority, other = new_authority("a", life=LIFE, now=NOW), new_authority("a", life=LIFE, now=NOW)
    leaf = issue(authority, hosts=HOSTS, life=LIFE, now=NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(leaf, authority.certificate, host="other.recordings.svc", folder=tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(leaf, other.certificate, host=HOSTS[0], folder=tmp_path)


def test_a_certificate_never_outlives_its_authority() -> None:
    authority = new_authority("a", life=timedelta(hours=1), now=NOW)
    signer, leaf = (
        validity(authority.certificate),
        validity(issue(authority, hosts=HOSTS, life=LIFE, now=NOW).certificate),
    )
    assert signer is not None
    assert leaf is not None
    assert leaf.ends == signer.ends


def test_what_serves_is_of_this_authority_and_for_these_hosts() -> None:
    authority = new_authority("a", life=LIFE, now=NOW)
    leaf = issue(authority, hosts=HOSTS, life=LIFE, now=NOW)
    assert serves(leaf, hosts=reversed_(HOSTS), authority=authority.certificate)
    assert not serves(leaf, hosts=HOSTS[:2], authority=authority.certificate)
    assert not serves(leaf, hosts=HOSTS, authority=new_authority("a", life=LIFE, now=NOW).certificate)


def reversed_(hosts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(reversed(hosts))


def test_a_pair_is_of_use_only_whole() -> None:
    pair, other = new_authority("a", life=LIFE, now=NOW), new_authority("b", life=LIFE, now=NOW)
    assert usable(pair)
    assert not usable(Pair(pair.certificate, other.key))
    assert not usable(Pair(pair.certificate, ""))
    assert not usable(Pair("nonsense", pair.key))


def test_a_secret_gives_back_what_was_kept_in_it() -> None:
    first, second = new_authority("a", life=LIFE, now=NOW), new_authority("b", life=LIFE, now=NOW)
    authority = Authority().begun(first, now=NOW).prepared(second).announced(now=NOW)
    assert Authority.of(authority.texts()) == authority
    taken = authority.taken_over(now=NOW)
    assert Authority.of(taken.texts()) == taken
    assert Authority.of({}) == Authority()
    assert Authority.of({"current.crt": "bm9uc2Vuc2U=", "coming.published": "!"}) == Authority()


def test_the_bundle_has_all_that_sign_will_sign_or_have_signed() -> None:
    first, second = new_authority("a", life=LIFE, now=NOW), new_authority("b", life=LIFE * 2, now=NOW)
    authority = Authority().begun(first, now=NOW)
    assert authority.bundle(now=NOW) == first.certificate
    authority = authority.prepared(second)
    assert authority.bundle(now=NOW) == first.certificate + second.certificate
    authority = authority.announced(now=NOW).taken_over(now=NOW)
    assert authority.bundle(now=NOW) == second.certificate + first.certificate
    assert authority.bundle(now=NOW + LIFE) == second.certificate


def test_no_key_shows_in_a_repr() -> None:
    pair = new_authority("a", life=LIFE, now=NOW)
    assert "PRIVATE" not in repr(Authority().begun(pair, now=NOW))
