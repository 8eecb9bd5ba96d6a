"""A renewed certificate is used without a restart; a broken one never takes the place of one that works."""

import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from recording_storage.store import certificates
from recording_storage.store.certificates import CertificateError, CertificateFiles
from recording_storage.store.config import load_config
from recording_storage.store.context import open_store
from tests.store.conftest import serving
from tests.tools.pki import Authority
from tests.waiting import eventually


def served_name(url: str, authority: Authority) -> str:
    """The common name in the certificate that a new connection is shown."""
    host, _, port = url.removeprefix("https://").rpartition(":")
    context = ssl.create_default_context(cafile=authority.certificate_file)
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as tls:
        shown = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
    return str(shown.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def wait_for(name: str, url: str, authority: Authority) -> None:
    eventually(lambda: served_name(url, authority) == name, what=f"the certificate of {name} is served")


def test_a_renewal_is_served_to_new_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(certificates, "LOOK_SECONDS", 0.01)
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("store", common_name="first")
    config = load_config(
        listen="127.0.0.1:0",
        internal_listen="127.0.0.1:0",
        database=f"sqlite:///{tmp_path / 'store.db'}",
        master_key_file=tmp_path / "key",
        create_master_key=True,
        media=tmp_path / "media",
        tls_cert=certificate,
        tls_key=key,
    )
    store = open_store(config)
    with serving(store) as listening:
        assert served_name(listening.public, authority) == "first"
        authority.issue("store", common_name="second")
        wait_for("second", listening.public, authority)
        key.write_text("broken")
        assert served_name(listening.public, authority) == "second"
        authority.issue("store", common_name="third")
        wait_for("third", listening.public, authority)
    store.close()


def test_files_that_don_t_fit_are_named(tmp_path: Path):
    authority = Authority(tmp_path / "ca")
    one, _ = authority.issue("one", common_name="one")
    _, other = authority.issue("other", common_name="other")
    with pytest.raises(CertificateError, match=r"one\.crt"):
        CertificateFiles(one, other).check()
    with pytest.raises(CertificateError, match="can't be read"):
        CertificateFiles(tmp_path / "none", other).check()
