"""A destination can be reached for as long as recordings wait for it, whatever became of the settings that made it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from recording_storage.domain.bucket_url import parse_bucket_url
from recording_storage.domain.policy import ObjectMetadata
from recording_storage.domain.settings import RecordingSettings
from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.plan import DestinationPlan
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database import migrate as migrations
from recording_storage.store.database.engine import Database
from recording_storage.store.database.migrate import migrate
from recording_storage.store.database.models import Recording, Settings, Spool
from recording_storage.store.errors import ErrorCode, StoreError
from recording_storage.store.internal.batch import read_batch, take_batch
from recording_storage.store.internal.exchange import take_report
from recording_storage.store.internal.identity import Caller
from recording_storage.store.internal.plans import complete_plans, draft_plans
from recording_storage.store.services.accounts import NewAccount, bump_revision
from recording_storage.store.services.credentials import delete_credential
from recording_storage.store.services.destinations import LOST, record_destination
from recording_storage.store.services.public_keys import create_public_key, delete_public_key
from recording_storage.store.services.recordings import delete_recording
from tests.store_internal.messages import batch, new_credential, new_spool, recording, sync_request

SPOOL = new_spool()
AUTHORITY, RENEWED = (f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n" for name in ("old", "new"))


class Tenant:
    """An account whose settings change; buckets are taken as tried."""

    def __init__(self, store: Store, account_sid: str) -> None:
        self.store = store
        self.account_sid = account_sid
        self.credential = new_credential(store, account_sid)

    def post(self, url: str = "https://bucket.s3.eu-west-1.amazonaws.com/calls", **values: object) -> str:
        """As `update_settings` ends once the bucket has let it in; gives the destination's id."""
        product = Product(str(values.pop("product", Product.VOICE)))
        proven = bool(values.pop("proven", True))
        settings = replace(
            RecordingSettings(
                friendly_name="f", aws_storage_enabled=True, aws_s3_url=url, aws_credentials_sid=self.credential
            ),
            **values,
        )
        with self.store.database.write() as session:
            id_ = record_destination(
                session,
                account_sid=self.account_sid,
                product=product,
                location=parse_bucket_url(
                    url, region="", allowed_endpoints=("https://minio.example",), allow_http=True
                ),
                settings=settings,
                allow_private=False,
                proven=proven,
            )
            session.merge(
                Settings(
                    account_sid=self.account_sid,
                    product=product,
                    revision=bump_revision(session, self.account_sid),
                    values=settings.to_values(),
                    destination_id=id_,
                    updated_at=now(),
                )
            )
        return id_

    def disable(self, product: Product) -> None:
        with self.store.database.write() as session:
            row = session.get(Settings, (self.account_sid, product))
            assert row is not None
            row.values, row.destination_id = row.values | {"aws_storage_enabled": False}, None

    def wait_for(self, destination_id: str, *, state: RecordingState = RecordingState.WAITING) -> str:
        """A recording that is pinned to it and not stored yet; gives its sid."""
        report = recording(self.account_sid, destination_id=destination_id, state=state)
        caller = Caller(account_sid=self.account_sid)
        assert take_batch(self.store, caller, read_batch(batch(SPOOL, report))).results[0].status == 200
        return report.sid

    def let_pass(self, time: timedelta) -> None:
        """What was heard of spool and recordings is that old."""
        with self.store.database.write() as session:
            session.execute(sa.update(Recording).values(updated_at=now() - time))
            session.execute(sa.update(Spool).values(last_seen=now() - time))

    def destination(self, id_: str) -> DestinationPlan:
        """As an uploader that names it has it in its plan."""
        with self.store.database.read() as session:
            named = {self.account_sid: [id_]}
            drafts = draft_plans(session, [self.account_sid], spool_id=new_spool(), named=named)
            plans = complete_plans(session, drafts, box=self.store.box)
        return plans[self.account_sid].destinations[id_]

    def credential_of(self, id_: str) -> str | None:
        credential = self.destination(id_).credential
        return credential.sid if credential else None


@pytest.fixture
def tenant(store: Store, account: NewAccount) -> Tenant:
    return Tenant(store, account.sid)


def test_a_destination_keeps_its_public_key(tenant: Tenant) -> None:
    key = create_public_key(tenant.store, account_sid=tenant.account_sid, public_key=PEM, friendly_name="k")
    encrypted = tenant.post(encryption_enabled=True, encryption_key_sid=key.sid)
    tenant.wait_for(encrypted)
    tenant.post()
    delete_public_key(tenant.store, account_sid=tenant.account_sid, sid=key.sid)
    found = tenant.destination(encrypted)
    assert found.encryption is not None
    assert (found.encryption.public_key_sid, found.encryption.public_key) == (key.sid, PEM)
    assert found.credential is not None, "else it would be held for ever"


def test_the_migration_gives_destinations_their_keys(store: Store, account: NewAccount) -> None:
    tenant = Tenant(store, account.sid)
    key = create_public_key(store, account_sid=account.sid, public_key=PEM, friendly_name="k")
    encrypted, clear = tenant.post(encryption_enabled=True, encryption_key_sid=key.sid), tenant.post()
    _downgrade(store.database, "0001")
    migrate(store.database)
    encryption = tenant.destination(encrypted).encryption
    assert encryption is not None
    assert encryption.public_key == PEM
    assert tenant.destination(clear).encryption is None


def test_a_credential_that_recordings_wait_for_is_not_deleted(tenant: Tenant) -> None:
    former, sid = tenant.post(), tenant.credential
    waiting = tenant.wait_for(former)
    tenant.credential = new_credential(tenant.store, tenant.account_sid)
    tenant.post("https://elsewhere.s3.eu-west-1.amazonaws.com/calls")
    with pytest.raises(StoreError, match=r"to store 1 recording in bucket") as refused:
        delete_credential(tenant.store, account_sid=tenant.account_sid, sid=sid)
    assert refused.value.code is ErrorCode.CONFLICT
    assert tenant.credential_of(former) == sid
    delete_recording(tenant.store, account_sid=tenant.account_sid, product=Product.VOICE, sid=waiting)
    delete_credential(tenant.store, account_sid=tenant.account_sid, sid=sid)
    assert tenant.credential_of(former) is None


@pytest.mark.parametrize("state", [RecordingState.WAITING, RecordingState.PARKED, RecordingState.REJECTED])
def test_recordings_of_a_spool_that_is_lost_hold_no_credential(tenant: Tenant, state: RecordingState) -> None:
    """Parked ones of one that is heard of do: somebody may ask for a retry."""
    former, sid = tenant.post(), tenant.credential
    tenant.wait_for(former, state=state)
    tenant.disable(Product.VOICE)
    tenant.let_pass(LOST + timedelta(minutes=1))
    take_report(tenant.store, Caller(account_sid=tenant.account_sid), spool_id=SPOOL, sync=sync_request())
    with pytest.raises(StoreError, match=r"to store 1 recording in bucket"):
        delete_credential(tenant.store, account_sid=tenant.account_sid, sid=sid)
    tenant.let_pass(LOST + timedelta(minutes=1))
    delete_credential(tenant.store, account_sid=tenant.account_sid, sid=sid)
    assert tenant.credential_of(former) is None


@pytest.mark.parametrize("values", [{"key_template": "{recording_sid}"}, {"tags": {"a": "b"}}])
def test_a_former_destination_takes_the_credential_that_was_proved_for_its_folder(
    tenant: Tenant, values: dict[str, object]
) -> None:
    former, sid = tenant.post(), tenant.credential
    tenant.wait_for(former)
    deeper = tenant.post("https://bucket.s3.eu-west-1.amazonaws.com/calls/deeper")
    tenant.credential = new_credential(tenant.store, tenant.account_sid)
    tenant.post(**values)
    assert tenant.credential_of(former) == tenant.credential
    assert tenant.credential_of(deeper) == sid, "it may be good for that folder only"
    delete_credential(tenant.store, account_sid=tenant.account_sid, sid=sid)
    assert tenant.credential_of(former) == tenant.credential


def test_what_was_not_proved_leads_nothing(tenant: Tenant) -> None:
    former, sid = tenant.post(), tenant.credential
    tenant.credential = new_credential(tenant.store, tenant.account_sid)
    tenant.post(key_template="{recording_sid}", proven=False)
    assert tenant.credential_of(former) == sid


def test_a_deleted_credential_leaves_the_place_to_that_of_other_settings(tenant: Tenant) -> None:
    video, former = tenant.post(product=Product.VIDEO), tenant.credential
    tenant.credential = new_credential(tenant.store, tenant.account_sid)
    voice = tenant.post(product=Product.VOICE)
    assert (tenant.credential_of(video), tenant.credential_of(voice)) == (former, tenant.credential)
    tenant.disable(Product.VIDEO)
    delete_credential(tenant.store, account_sid=tenant.account_sid, sid=former)
    assert tenant.credential_of(video) == tenant.credential


def test_products_that_share_a_folder_keep_their_own_tags(tenant: Tenant) -> None:
    voice = tenant.post(product=Product.VOICE, tags={"product": "voice"}, storage_class="STANDARD_IA")
    video = tenant.post(product=Product.VIDEO, tags={"product": "video"})
    assert tenant.destination(voice).tags == {"product": "voice"}
    assert tenant.destination(voice).storage_class == "STANDARD_IA"
    assert tenant.destination(video).tags == {"product": "video"}


def test_what_objects_say_follows_the_newest_settings_of_their_place(tenant: Tenant) -> None:
    there = tenant.post()
    assert tenant.destination(there).object_metadata is ObjectMetadata.SIDS
    assert tenant.post(object_metadata=ObjectMetadata.NONE) == there
    assert tenant.destination(there).object_metadata is ObjectMetadata.NONE


def test_whether_its_server_is_trusted_follows_the_newest_settings_of_the_place(tenant: Tenant) -> None:
    there = tenant.post(trust_unverified=True)
    elsewhere = tenant.post("https://elsewhere.s3.eu-west-1.amazonaws.com/calls")
    assert (tenant.destination(there).trust_unverified, tenant.destination(elsewhere).trust_unverified) == (True, False)
    assert tenant.post() == there
    assert not tenant.destination(there).trust_unverified


@pytest.fixture
def private() -> Callable[[str], str]:
    return lambda folder: f"https://minio.example/bucket/{folder}"


def test_an_authority_stays_with_its_server(tenant: Tenant, private: Callable[[str], str]) -> None:
    former = tenant.post(private("calls"), ca_bundle=AUTHORITY)
    present = tenant.post("https://bucket.s3.eu-west-1.amazonaws.com/calls")
    assert tenant.destination(former).ca_bundle == AUTHORITY
    assert tenant.destination(present).ca_bundle == ""


def test_a_servers_new_authority_reaches_its_former_destinations(tenant: Tenant, private: Callable[[str], str]) -> None:
    former = tenant.post(private("calls"), ca_bundle=AUTHORITY)
    video = tenant.post(private("video"), ca_bundle=AUTHORITY, product=Product.VIDEO)
    other = tenant.post("https://bucket.s3.eu-west-1.amazonaws.com/calls")
    tenant.post(private("elsewhere"), ca_bundle=RENEWED, storage_class="X")
    assert tenant.destination(former).ca_bundle == RENEWED
    assert tenant.destination(former).storage_class == "STANDARD", "how it is stored is not how it is reached"
    assert tenant.destination(video).ca_bundle == AUTHORITY, "its own settings say so"
    assert tenant.destination(other).ca_bundle == ""


def _downgrade(database: Database, revision: str) -> None:
    config = migrations._config()
    with database.engine.execution_options(write=True).connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        connection.commit()


PEM = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
