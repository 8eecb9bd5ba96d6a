"""What is taken as a key pair or a public key, and what is refused without repeating it."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from recording_storage.store.errors import StoreError
from recording_storage.store.services.credentials import parse_key_pair
from recording_storage.store.services.public_keys import UnusableKeyError, load_public_key
from tests.store.conftest import LiveStore

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ENCODING, SPKI = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
PEM = PRIVATE.public_key().public_bytes(ENCODING, SPKI).decode()


@pytest.mark.parametrize(
    "access_key_id",
    ["AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE1", "minioadmin", "user.name@example", "a" * 128],
)
def test_key_pairs_of_any_server(access_key_id: str):
    pair = parse_key_pair(f"{access_key_id}:wJalr/XUtn+FEMI:K7MDENG=")
    assert pair.access_key_id == access_key_id
    assert pair.secret_access_key == "wJalr/XUtn+FEMI:K7MDENG=", "only the first colon divides"
    assert "wJalr" not in repr(pair)


@pytest.mark.parametrize(
    "text",
    ["", ":", "planted", "AKIA:", "AKIA:short", "AK IA:planted-secret", "AKIA:planted secret", "é:planted-secret"],
)
def test_what_is_no_key_pair(text: str):
    with pytest.raises(StoreError) as refused:
        parse_key_pair(text)
    assert "planted" not in refused.value.message
    assert refused.value.status == 400


def test_a_public_key_in_other_spellings():
    pkcs1 = PRIVATE.public_key().public_bytes(ENCODING, serialization.PublicFormat.PKCS1).decode()
    for text in (PEM, PEM.replace("\n", "\r\n"), "\n\n" + PEM, pkcs1):
        assert load_public_key(text).key_size == 2048


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        ("", "PEM"),
        ("planted", "PEM"),
        (PEM.replace("A", "é"), "PEM"),
        (PEM[:200], "PEM"),
        (
            ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(ENCODING, SPKI).decode(),
            "RSA",
        ),
        (
            rsa.generate_private_key(public_exponent=65537, key_size=1024)
            .public_key()
            .public_bytes(ENCODING, SPKI)
            .decode(),
            "1024 bits",
        ),
        (
            PRIVATE.private_bytes(ENCODING, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(),
            "private key",
        ),
    ],
    ids=["empty", "text", "not-ascii", "cut", "elliptic", "weak", "private"],
)
def test_what_is_no_public_key_to_encrypt_for(pem: str, words: str):
    with pytest.raises(UnusableKeyError, match=words) as refused:
        load_public_key(pem)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/v1/Credentials/AWS", {"Credentials": "AKIA:secretsecret"}),
        ("/v1/Credentials/PublicKeys", {"PublicKey": PEM}),
    ],
)
def test_friendly_names(live: LiveStore, path: str, form: dict[str, str]):
    with live.http() as http:
        assert http.post(path, data=form).json()["friendly_name"] == ""
        made = http.post(path, data=form | {"FriendlyName": "ä" * 64})
        assert made.status_code == 201
        for name in ("x" * 65, "a\nb"):
            refused = http.post(path, data=form | {"FriendlyName": name})
            assert (refused.status_code, refused.json()["code"]) == (400, 20001)
            url = f"{path}/{made.json()['sid']}"
            assert http.post(url, data={"FriendlyName": name}).json()["code"] == 20001
        assert http.post(url, data={}).json()["friendly_name"] == "ä" * 64, "nothing given, nothing changed"
        missing = http.post(path, data={"FriendlyName": "x"})
        assert missing.json()["code"] == 20001
        assert "required" in missing.json()["message"]


def test_a_public_key_in_use_is_not_deleted(live: LiveStore):
    with live.http() as http:
        sid = http.post("/v1/Credentials/PublicKeys", data={"PublicKey": PEM}).json()["sid"]
        settings = {"FriendlyName": "x", "EncryptionKeySid": sid, "EncryptionEnabled": "true"}
        assert http.post("/v1/VoiceRecordingSettings/Default", data=settings).status_code == 201
        refused = http.delete(f"/v1/Credentials/PublicKeys/{sid}")
        assert (refused.status_code, refused.json()["code"]) == (409, 20409)
        assert "voice" in refused.json()["message"]
        off = {"FriendlyName": "x", "EncryptionEnabled": "false"}
        assert http.post("/v1/VoiceRecordingSettings/Default", data=off).status_code == 201
        assert http.delete(f"/v1/Credentials/PublicKeys/{sid}").status_code == 204


@pytest.mark.parametrize("name", ["SessionToken", "Expiration"])
def test_a_temporary_key_pair_is_refused_with_the_reason(live: LiveStore, name: str):
    with live.http() as http:
        form = {"Credentials": "AKIAIOSFODNN7EXAMPLE:planted-secret", name: "2026-01-31T12:00:00Z"}
        answer = http.post("/v1/Credentials/AWS", data=form)
        assert answer.status_code == 400
        assert f"{name}: temporary key pairs" in answer.json()["message"]
        assert "planted" not in answer.text
        assert http.get("/v1/Credentials/AWS").json()["credentials"] == []
