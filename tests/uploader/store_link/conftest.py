"""A fake store and what describes one account at it."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.base import Secret
from recording_storage.protocol.plan import AccountPlan, CredentialPlan, DestinationPlan, ProductPlan
from recording_storage.protocol.recordings import RecordingReport
from recording_storage.protocol.sync import SpoolReport
from recording_storage.uploader.core.recording import Identity, Recording
from recording_storage.uploader.store_link.http import StoreAddress, store_address
from recording_storage.uploader.store_link.media_upload import MediaSource
from tests.uploader.store_link.fake_store import FakeStore

ACCOUNT = "AC" + "1" * 32
SPOOL_ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def fake_store() -> Iterator[FakeStore]:
    store = FakeStore()
    yield store
    store.close()


@pytest.fixture
def fake_address(fake_store: FakeStore, tmp_path: Path) -> StoreAddress:
    token_file = tmp_path / "fake-token"
    token_file.write_text(fake_store.token)
    return store_address(fake_store.url, token_file=token_file)


def account_plan(*, revision: int = 1, secret: str = "a-secret-key", bucket: str = "bucket") -> AccountPlan:
    destination = DestinationPlan(
        id="d" * 32,
        endpoint="http://127.0.0.1:9",
        bucket=bucket,
        prefix="calls/",
        region="us-east-1",
        allow_http=True,
        allow_private=True,
        credential=CredentialPlan(sid="CR" + "2" * 32, access_key_id="AKIA1", secret_access_key=Secret(secret)),
    )
    product = ProductPlan(destination_id=destination.id)
    return AccountPlan(
        account_sid=ACCOUNT,
        revision=revision,
        products={Product.VOICE: product, Product.VIDEO: product},
        destinations={destination.id: destination},
    )


def spool_report() -> SpoolReport:
    return SpoolReport(uploader_version="0", started_at=datetime.now(UTC))


def recording(
    sid: str, *, seq: int = 1, state: RecordingState = RecordingState.FOUND, size: int = 1
) -> RecordingReport:
    return RecordingReport(
        account_sid=ACCOUNT,
        sid=sid,
        seq=seq,
        product=Product.VOICE,
        state=state,
        file=f"{sid}.wav",
        size=size,
        found_at=datetime.now(UTC),
    )


def entry(
    sid: str,
    *,
    seq: int = 1,
    state: RecordingState = RecordingState.FOUND,
    account: str = ACCOUNT,
    metadata: Mapping[str, Any] = MappingProxyType({}),
    size: int = 1,
) -> Recording:
    """A row of a journal."""
    return Recording(
        id=seq,
        sid=sid,
        account_sid=account,
        product=Product.VOICE,
        path=f"{sid}.wav",
        state=state,
        seq=seq,
        identity=Identity(inode=1, size=size, mtime_ns=1),
        content_type="audio/wav",
        found_at=1_700_000_000.0,
        changed_at=1_700_000_000.0,
        metadata=metadata,
    )


@pytest.fixture
def source(tmp_path: Path) -> Iterator[MediaSource]:
    """A file of 3 MB and a bit, open."""
    path = tmp_path / "call.wav"
    path.write_bytes(os.urandom(3_000_017))
    descriptor = os.open(path, os.O_RDONLY)
    yield MediaSource(descriptor, path.stat().st_size)
    os.close(descriptor)
