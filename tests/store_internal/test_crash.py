"""The real store, killed while media arrives: what it has taken is kept, and what it counts as stored is whole."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from recording_storage.protocol.accounts import OpenAccount, OpenedAccount
from recording_storage.protocol.recordings import BatchResponse
from tests.controller.parts import Store
from tests.store_internal.messages import batch, new_spool, recording
from tests.store_internal.servers import body
from tests.waiting import SOON

SLICE = 2**20
CONTENT = os.urandom(8 * SLICE)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path, allow=())
    store.start()
    yield store
    store.stop()


def client(store: Store) -> httpx.Client:
    headers = {"Authorization": f"Bearer {store.token_file.read_text()}"}
    return httpx.Client(base_url=f"{store.internal_url}/internal/v1", headers=headers, timeout=SOON)


@pytest.mark.slow
def test_media_survives_a_killed_store(store: Store) -> None:
    with client(store) as http:
        answer = http.put("/accounts:by-external-id/e", content=body(OpenAccount(friendly_name="f")))
        sid = OpenedAccount.from_json(answer.content).account_sid
        report = recording(sid, size=len(CONTENT))
        registered = http.post("/recordings:batch", content=batch(new_spool(), report))
        assert BatchResponse.from_json(registered.content).results[0].status == 200
        path = f"/accounts/{sid}/recordings/{report.sid}/media"

        def pieces() -> Iterator[bytes]:
            yield CONTENT[:SLICE]
            yield CONTENT[SLICE : 3 * SLICE]
            store.kill()
            yield CONTENT[3 * SLICE :]

        with pytest.raises(httpx.TransportError):
            http.patch(path, content=pieces(), headers={"Upload-Offset": "0"})
    store.start()
    with client(store) as http:
        offset = int(http.head(path).headers["Upload-Offset"])
        assert offset <= 3 * SLICE
        wanted = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
        assert http.post(f"{path}:complete", json=wanted).status_code == 409
        rest = http.patch(path, content=CONTENT[offset:], headers={"Upload-Offset": str(offset)})
        assert rest.status_code == 204
        assert http.post(f"{path}:complete", json=wanted).json()["sha256"] == wanted["sha256"]
        store.kill()
    store.start()
    with client(store) as http:
        assert http.head(path).headers["Upload-Complete"] == "?1"
        assert http.post(f"{path}:complete", json=wanted).status_code == 200
