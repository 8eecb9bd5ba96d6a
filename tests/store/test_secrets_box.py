"""Secrets at rest: sealed, bound to their row, readable after a rotation of the master key."""

import base64
import os
import stat
from pathlib import Path

import pytest

from recording_storage.store.context import Store, open_store
from recording_storage.store.database.models import AwsCredential
from recording_storage.store.secrets_box import (
    MasterKeyError,
    SealedSecretError,
    SecretsBox,
    new_key_line,
    read_master_keys,
)
from recording_storage.store.services.accounts import NewAccount
from recording_storage.store.services.credentials import create_credential, open_credential
from recording_storage.store.services.resealing import reseal

ROW = {"table": "aws_credentials", "account_sid": "AC1", "sid": "CR1"}


@pytest.fixture
def box() -> SecretsBox:
    return SecretsBox([os.urandom(32)])


def test_what_is_sealed_is_opened_again(box: SecretsBox):
    sealed = box.seal(b"secret", **ROW)
    assert b"secret" not in sealed
    assert box.open(sealed, **ROW) == b"secret"
    assert box.seal(b"secret", **ROW) != sealed, "each has a nonce of its own"


@pytest.mark.parametrize("other", [{"table": "accounts"}, {"account_sid": "AC2"}, {"sid": "CR2"}])
def test_a_box_does_not_open_in_another_row(box: SecretsBox, other: dict[str, str]):
    sealed = box.seal(b"secret", **ROW)
    with pytest.raises(SealedSecretError):
        box.open(sealed, **(ROW | other))


def test_a_changed_box_does_not_open(box: SecretsBox):
    sealed = box.seal(b"secret", **ROW)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SealedSecretError):
            box.open(bytes(changed), **ROW)
    for length in range(len(sealed)):
        with pytest.raises(SealedSecretError):
            box.open(sealed[:length], **ROW)


def test_after_a_rotation_the_older_key_still_opens(tmp_path: Path):
    file = tmp_path / "keys"
    old, new = new_key_line(), new_key_line()
    file.write_text(old + "\n")
    sealed = read_master_keys(file).seal(b"secret", **ROW)
    file.write_text(f"# newest first\n{new}\n\n{old}\n")
    rotated = read_master_keys(file)
    assert rotated.open(sealed, **ROW) == b"secret"
    assert not rotated.is_current(sealed)
    file.write_text(new)
    with pytest.raises(SealedSecretError, match="master key file"):
        read_master_keys(file).open(sealed, **ROW)


def test_resealing_lets_the_older_key_go(store: Store, account: NewAccount):
    made = create_credential(store, account_sid=account.sid, credentials="AKIA:planted-secret", friendly_name="c")
    file = store.config.master_key_file
    old = file.read_text()
    file.write_text(f"{new_key_line()}\n{old}")
    rotated = Store(store.config, store.database, read_master_keys(file), store.changes)
    assert reseal(rotated) == 2, "the credential and the account's token"
    assert reseal(rotated) == 0
    file.write_text(file.read_text().splitlines()[0])
    with store.database.read() as session:
        row = session.get(AwsCredential, made.sid)
        assert row is not None
        assert open_credential(read_master_keys(file), row).secret_access_key == "planted-secret"


def test_a_store_is_opened_with_every_key_that_its_secrets_are_sealed_with(store: Store, account: NewAccount):
    create_credential(store, account_sid=account.sid, credentials="AKIA:planted-secret", friendly_name="c")
    file = store.config.master_key_file
    old, new = file.read_text(), new_key_line()
    file.write_text(f"{new}\n")
    with pytest.raises(MasterKeyError, match=f"{file} lacks the key.*put that one back") as caught:
        open_store(store.config)
    assert new not in str(caught.value)
    file.write_text(f"{new}\n{old}")
    open_store(store.config).close()
    reseal(Store(store.config, store.database, read_master_keys(file), store.changes))
    file.write_text(old)
    with pytest.raises(MasterKeyError, match="lacks the key"):
        open_store(store.config)
    file.write_text(f"{new}\n")
    open_store(store.config).close()


def test_a_key_file_is_made_for_its_owner_alone(tmp_path: Path):
    file = tmp_path / "keys"
    box = read_master_keys(file, create=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    sealed = box.seal(b"secret", **ROW)
    assert read_master_keys(file, create=True).open(sealed, **ROW) == b"secret", "an existing one is kept"


def test_forms_of_a_key(tmp_path: Path):
    file, key = tmp_path / "keys", os.urandom(32)
    sealed = SecretsBox([key]).seal(b"secret", **ROW)
    for content in (key, base64.b64encode(key) + b"\n", base64.urlsafe_b64encode(key), key.hex().encode() + b"\n"):
        file.write_bytes(content)
        assert read_master_keys(file).open(sealed, **ROW) == b"secret"


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"planted-short\n", b"\xff\xfe\x00", b"A" * 43 + b"\n"])
def test_a_file_that_is_none_is_refused_without_showing_it(tmp_path: Path, content: bytes):
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(MasterKeyError) as refused:
        read_master_keys(file)
    assert "planted" not in str(refused.value)
    assert str(file) in str(refused.value)


def test_an_absent_file_says_what_to_do(tmp_path: Path):
    with pytest.raises(MasterKeyError, match="--create-master-key"):
        read_master_keys(tmp_path / "keys")
    with pytest.raises(MasterKeyError, match="can't be created"):
        read_master_keys(tmp_path / "no" / "keys", create=True)
