"""A live uploader as the store knows one: it syncs, that is all."""

import json
import subprocess
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx

from recording_storage.domain.sids import SidPrefix, new_sid
from tests.controller.parts import COMMAND, Store
from tests.waiting import SOON


class LiveUploader:
    def __init__(self, store: Store, account_sid: str) -> None:
        self._store = store
        self._account = account_sid
        self.spool_id = str(uuid.uuid4())
        options = [
            "--database",
            f"sqlite:///{store.folder}/store.db",
            "--master-key-file",
            f"{store.folder}/master.key",
        ]
        made = subprocess.run(
            [*COMMAND, "store", "create-token", *options, "--account", account_sid, "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        self._token = json.loads(made.stdout)["token"]

    def sync(self, *, revision: int | None = None, credentials: list[str] | None = None) -> Any:
        """Reports, and gets the plans."""
        report = {
            "uploader_version": "test",
            "started_at": datetime.now(UTC).isoformat(),
            "applied_revisions": {self._account: revision} if revision is not None else {},
            "credentials_in_use": credentials or [],
        }
        return self._post(f"uploaders/{self.spool_id}/sync", {"report": report, "accounts": [self._account]})

    def park(self, destination_id: str) -> None:
        """Reports a recording that waits for the destination until somebody asks for a retry."""
        recording = {
            "account_sid": self._account,
            "sid": new_sid(SidPrefix.VOICE_RECORDING),
            "seq": 1,
            "product": "voice",
            "state": "parked",
            "file": "call.wav",
            "size": 1,
            "found_at": datetime.now(UTC).isoformat(),
            "destination_id": destination_id,
        }
        answer = self._post("recordings:batch", {"spool_id": self.spool_id, "recordings": [recording]})
        assert answer["results"][0]["status"] == 200, answer

    def _post(self, path: str, message: dict[str, Any]) -> Any:
        answer = httpx.post(
            f"{self._store.internal_url}/internal/v1/{path}",
            headers={"Authorization": f"Bearer {self._token}"},
            json=message,
            timeout=SOON,
        )
        assert answer.is_success, answer.text
        return answer.json()

    def credential_of(self, plan: Any) -> set[str]:
        """Sids of the credentials that the plan's destinations are reached with."""
        destinations = plan["plans"][self._account]["destinations"].values()
        return {each["credential"]["sid"] for each in destinations if each["credential"]}
