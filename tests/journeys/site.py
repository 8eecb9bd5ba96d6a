"""A customer on the platform: a namespace with the README's resources, a bucket, and a recorder with its uploader."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from recording_storage.uploader.status.control_socket import ControlError, NobodyListensError, ask
from tests.cluster.accounts import create_pod, create_service_account, service_account_token
from tests.cluster.kube import Document
from tests.journeys.harness import AUDIENCE, Answer, Platform, write_secret
from tests.s3.fixtures import Bucket
from tests.s3.servers import Credentials
from tests.waiting import SOON, eventually

GROUP = "recordingstorage.dev/v1alpha1"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RECORDER = "recorder"
"""ServiceAccount and pod."""
UPLOADER = "uploader"


@dataclass(frozen=True)
class Take:
    """What a recorder has left."""

    name: str
    """Relative to the spool."""
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class Site:
    def __init__(self, platform: Platform, *, namespace: str, bucket: Bucket, folder: Path) -> None:
        self.platform = platform
        self.kube = platform.kube
        self.namespace = namespace
        self.bucket = bucket
        self.spool = folder / "spool"
        self.spool.mkdir()
        create_service_account(self.kube, namespace=namespace, name=RECORDER)
        create_pod(self.kube, namespace=namespace, name=RECORDER, service_account=RECORDER)
        self.token = service_account_token(
            self.kube, namespace=namespace, name=RECORDER, audience=AUDIENCE, pod=RECORDER
        )
        self.token_file = write_secret(folder / "uploader.token", self.token)

    # Resources

    def apply_account(self) -> None:
        self.kube.apply(EXAMPLES / "account.yaml", namespace=self.namespace)

    def apply_keys(self, credentials: Credentials | None = None) -> None:
        """The Secret, with the bucket user's keys unless others are given."""
        keys = credentials or self.bucket.credentials
        (secret,) = yaml.safe_load_all((EXAMPLES / "aws-secret.yaml").read_text())
        secret["stringData"] = {"accessKeyId": keys.access_key, "secretAccessKey": keys.secret_key}
        self.kube.apply(secret, namespace=self.namespace)

    def apply_credential(self) -> None:
        self.kube.apply(EXAMPLES / "credential.yaml", namespace=self.namespace)

    def apply_settings(
        self, *, enabled: bool = True, url: str = "", spec: Mapping[str, Any] = MappingProxyType({}), **upload: str
    ) -> None:
        """The README's settings with this site's bucket, or another URL; `spec` and `upload` are merged in."""
        (settings,) = yaml.safe_load_all((EXAMPLES / "settings.yaml").read_text())
        wanted = settings["spec"]
        wanted["awsStorage"] |= {
            "enabled": enabled,
            "url": url or self.bucket_url,
            "region": self.bucket.server.region,
        }
        wanted |= spec
        if upload:
            wanted["upload"] = upload
        self.kube.apply(settings, namespace=self.namespace)

    def apply_all(self, *, enabled: bool = True, **upload: str) -> None:
        """Everything that the README shows, at once and in its order."""
        self.apply_account()
        self.apply_keys()
        self.apply_credential()
        self.apply_settings(enabled=enabled, **upload)

    def open(self, *, enabled: bool = True, **upload: str) -> Document:
        """Everything applied, Ready and known to the uploader: the next recording goes where the settings say."""
        self.apply_all(enabled=enabled, **upload)
        self.start_uploader()
        settings = self.wait_ready()
        self.wait_applied()
        return settings

    def wait_ready(self, kind: str = "RecordingSettings", name: str = "default", *, within: float = SOON) -> Document:
        """The object, once it is Ready in its present generation."""
        return eventually(
            lambda: (found := self.get(kind, name)) if _condition(self.get(kind, name), "Ready") == "True" else None,
            what=f"{kind}/{name} is Ready: {self._why(kind, name)}",
            within=within,
        )

    def get(self, kind: str, name: str) -> Document:
        return self.kube.get(GROUP, kind, name, namespace=self.namespace)

    @property
    def bucket_url(self) -> str:
        """Through the gate."""
        return self.bucket.url_at(self.platform.gate.endpoint)

    # The account at the store

    @cached_property
    def account_sid(self) -> str:
        sid: str = eventually(
            lambda: self.get("RecordingAccount", "default").get("status", {}).get("accountSid"),
            what="the account is open",
        )
        return sid

    @cached_property
    def api_key(self) -> tuple[str, str]:
        """Sid and secret, as the operator has written them into the namespace."""
        data = self.kube.get("v1", "Secret", "default-api-key", namespace=self.namespace)["data"]
        sid, secret = (base64.b64decode(data[name]).decode() for name in ("username", "password"))
        return sid, secret

    @cached_property
    def client(self) -> Client:
        """The public SDK, which knows nothing of us but the address."""
        client = Client(*self.api_key, self.account_sid)
        client.api.base_url = client.video.base_url = client.accounts.base_url = self.platform.store_url
        return client

    # The recorder and its uploader

    def start_uploader(self, *more: str) -> None:
        options = [
            *more,
            *("--spool", str(self.spool)),
            *("--store", self.platform.internal_url),
            *("--token-file", str(self.token_file)),
            *("--metrics-listen", self.platform.uploader_metrics),
            *("--log-level", self.platform.log_level),
        ]
        self.platform.start(UPLOADER, "uploader", *options)

    def kill_uploader(self) -> None:
        self.platform.kill(UPLOADER)

    def record(self, name: str, content: bytes, *, metadata: Mapping[str, Any] | None = None) -> Take:
        """A whole recording at once, its end told by a marker."""
        path = self.spool / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if metadata is not None:
            path.with_name(f"{path.name}.recording.json").write_text(json.dumps(metadata))
        path.write_bytes(content)
        path.with_name(f"{path.name}.done").touch()
        return Take(name, content)

    def recordings(self) -> dict[str, dict[str, Any]]:
        """What the uploader says of each, by file; nothing while none runs."""
        return {each["file"]: each for each in self._ask("recordings", states=[])}

    def _ask(self, what: str, **more: Any) -> list[dict[str, Any]]:
        try:
            return list(ask(self.spool / ".recording-storage", {"do": what, **more}, timeout=SOON))
        except (NobodyListensError, ControlError):
            return []

    def wait_reason(self, take: Take, code: str) -> dict[str, Any]:
        """The recording, once it waits for that reason; its file is kept."""

        def look() -> dict[str, Any] | None:
            seen = self.recordings().get(take.name, {})
            waits = seen.get("state") == "waiting" and seen["error"] is not None and seen["error"]["code"] == code
            return seen if waits else None

        seen = eventually(look, what=f"{take.name} waits, {code}")
        self.assert_kept(take)
        return seen or {}

    def status(self) -> dict[str, Any]:
        """What the uploader says of itself; nothing while none runs."""
        return next(iter(self._ask("status")), {})

    def wait_state(self, take: Take | str, state: str, *, within: float = SOON) -> dict[str, Any]:
        """The recording, once it is in that state."""
        name = take if isinstance(take, str) else take.name
        last: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            last.clear()
            last.update(self.recordings().get(name, {}))
            return last if last.get("state") == state else None

        try:
            return dict(eventually(look, what=f"{name} is {state}", within=within) or {})
        except AssertionError as error:
            raise AssertionError(f"{error}; the uploader says {last}") from None

    def wait_applied(self) -> None:
        """Until the uploader runs the revision that the settings have at the store."""

        def applied() -> bool:
            revision = self.get("RecordingSettings", "default")["status"]["revision"]
            return any(each["revisions"].get(self.account_sid, 0) >= revision for each in self._ask("status"))

        eventually(applied, what="the uploader runs the present revision")

    def wait_told(self, sid: str, status: str) -> Any:
        """The call's recording as the SDK reads it at the store, once it has that status."""

        def look() -> Any:
            try:
                seen = self.client.recordings(sid).fetch()
            except TwilioRestException as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                return None
            return seen if seen.status == status else None

        return eventually(look, what=f"the store says that {sid} is {status}")

    def command(self, name: str, *arguments: str) -> Answer:
        """`recording-storage NAME --spool … ARGUMENTS`."""
        return self.platform.run(name, "--spool", str(self.spool), *arguments)

    # Proofs

    def object_key(self, recording: Mapping[str, Any]) -> str:
        return f"{self.bucket.prefix}{recording['sid']}{Path(recording['file']).suffix}"

    def assert_stored(self, take: Take) -> dict[str, Any]:
        """Wait until it is released; the bucket has the same bytes, the file and what belonged to it are gone."""
        recording = self.wait_state(take, "released")
        stored = self.bucket.read(self.object_key(recording))
        assert hashlib.sha256(stored).hexdigest() == take.sha256
        assert recording["media_url"] == f"{self.bucket_url}/{recording['sid']}{Path(take.name).suffix}"
        assert not [path for path in self.spool.glob(f"{take.name}*") if path.exists()]
        return recording

    def assert_kept(self, take: Take) -> None:
        assert (self.spool / take.name).read_bytes() == take.content

    def close(self) -> None:
        self.platform.stop(UPLOADER)

    def _why(self, kind: str, name: str) -> str:
        return f"see the conditions of {kind} {self.namespace}/{name}"


def _condition(document: Document, kind: str) -> str:
    """Status of the condition, if it is of the present generation."""
    for each in document.get("status", {}).get("conditions", []):
        if each["type"] == kind and each.get("observedGeneration") == document["metadata"]["generation"]:
            return str(each["status"])
    return ""
