"""Messages and rows as tests want them."""

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from recording_storage.domain.settings import RecordingSettings
from recording_storage.domain.sids import SidPrefix, new_sid
from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.plan import DestinationPlan
from recording_storage.protocol.recordings import BatchRequest, RecordingReport
from recording_storage.protocol.sync import SpoolReport, SyncRequest
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import Destination, Settings
from recording_storage.store.services.accounts import bump_revision
from recording_storage.store.services.credentials import create_credential

MOMENT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
SECRET = SecretStr("wJalrXUtnFEMI/planted/bPxRfiCYEXAMPLEKEY")


def new_spool() -> str:
    return str(uuid.uuid4())


def sync_request(*accounts: str, **values: Any) -> SyncRequest:
    report = SpoolReport(uploader_version="0.1.0", started_at=MOMENT, **values.pop("report", {}))
    return SyncRequest(report=report, accounts=list(accounts), **values)


def recording(account_sid: str, **values: Any) -> RecordingReport:
    """A voice recording that has just been found."""
    product = Product(values.get("product", Product.VOICE))
    prefix = SidPrefix.VIDEO_RECORDING if product is Product.VIDEO else SidPrefix.VOICE_RECORDING
    defaults: dict[str, Any] = {
        "account_sid": account_sid,
        "sid": new_sid(prefix),
        "seq": 1,
        "product": product,
        "state": RecordingState.FOUND,
        "file": "a/call.wav",
        "size": 1000,
        "found_at": MOMENT,
    }
    return RecordingReport(**(defaults | values))


def batch(spool_id: str, *recordings: RecordingReport) -> bytes:
    request = BatchRequest(spool_id=spool_id, recordings=list(recordings))
    return request.to_json()


def new_credential(store: Store, account_sid: str, *, secret: SecretStr = SECRET) -> str:
    pair = f"AKIAEXAMPLE:{secret.get_secret_value()}"
    return create_credential(store, account_sid=account_sid, credentials=pair, friendly_name="c").sid


def enable(
    store: Store, account_sid: str, *, credential_sid: str | None, product: Product = Product.VOICE, bucket: str = "b"
) -> str:
    """As a POST of settings leaves it, without a bucket to try; gives the destination's id."""
    id_ = hashlib.sha256(bucket.encode()).hexdigest()[:32]
    plan = DestinationPlan(id=id_, endpoint="https://s3.eu-west-1.amazonaws.com", bucket=bucket, prefix="calls/")
    elsewhere = {"credential", "encryption", "proven"}
    settings = RecordingSettings(
        friendly_name="f",
        aws_storage_enabled=True,
        aws_s3_url=f"https://{bucket}.s3.eu-west-1.amazonaws.com/calls",
        aws_credentials_sid=credential_sid or "",
    )
    with store.database.write() as session:
        session.merge(
            Destination(
                account_sid=account_sid,
                id=id_,
                values={name: value for name, value in plan.to_values().items() if name not in elsewhere},
                credential_sid=credential_sid,
                created_at=now(),
            )
        )
        session.merge(
            Settings(
                account_sid=account_sid,
                product=product,
                revision=bump_revision(session, account_sid),
                values=settings.to_values(),
                destination_id=id_,
                updated_at=now(),
            )
        )
    return id_
