"""The plans that the journal keeps: read across versions, and without secrets."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recording_storage.domain.policy import FatalErrorPolicy, ObjectMetadata
from recording_storage.domain.states import Product
from recording_storage.protocol.plan import AccountPlan, DestinationPlan, EncryptionPlan, ProductPlan
from recording_storage.uploader.journal import destinations
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.journal.plans import journal_plans, journalled_plans
from tests.uploader.store_link.conftest import account_plan

ACCOUNT = "AC" + "1" * 32
EARLIER: dict[str, Any] = {
    "addressing": "virtual",
    "allow_http": False,
    "allow_private": False,
    "bucket": "b",
    "ca_bundle": "",
    "credential_sid": "CR" + "2" * 32,
    "credential_type": "",
    "encryption": {"public_key": "PEM", "public_key_sid": "CR" + "3" * 32, "scheme": "rsa-aes"},
    "endpoint": "https://x",
    "expected_bucket_owner": "",
    "id": "d",
    "key_template": "{recording_sid}{ext}",
    "kms_key_id": "",
    "object_metadata": "All",
    "prefix": "p/",
    "proven": True,
    "region": "r",
    "server_side_encryption": "None",
    "storage_class": "",
    "tags": {"a": "b"},
    "trust_unverified": False,
}
"""As the version before the messages were kept as they are wrote it."""
PRODUCT = {"denial_grace": 5.0, "destination_id": "d", "fatal_error_policy": "Delete", "retry_window": 60.0}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path, known_spool=True)
    yield opened
    opened.close()


def write(journal: Journal, *, product: dict[str, Any], destination: dict[str, Any]) -> None:
    plan = json.dumps({"products": {"voice": product}, "destinations": {"d": destination}})

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO plans VALUES (?, 7, ?)", (ACCOUNT, plan))
        connection.execute(
            "INSERT INTO destinations (account_sid, id, body, proven) VALUES (?, 'd', ?, 1)",
            (ACCOUNT, json.dumps(destination)),
        )

    journal.run(work)


def test_what_an_earlier_version_kept_is_read(journal: Journal) -> None:
    write(journal, product=PRODUCT, destination=EARLIER)
    [(account, kept)] = journal.run(destinations.remembered)
    assert account == ACCOUNT
    assert kept.location.url == "https://b.x/p/"
    assert (kept.object_metadata, kept.tags, kept.proven) == (ObjectMetadata.ALL, {"a": "b"}, True)
    assert kept.encryption == EncryptionPlan(public_key_sid="CR" + "3" * 32, public_key="PEM")
    product = ProductPlan(
        destination_id="d", retry_window=60, fatal_error_policy=FatalErrorPolicy.DELETE, denial_grace=5
    )
    wanted = AccountPlan(account_sid=ACCOUNT, revision=7, products={Product.VOICE: product}, destinations={"d": kept})
    assert journal.run(journalled_plans) == {ACCOUNT: wanted}


def test_an_earlier_version_reads_what_is_kept_now(journal: Journal) -> None:
    """It takes what it knows, insists on some, and would take a credential for one of its own."""
    journal.run(lambda connection: journal_plans(connection, {ACCOUNT: account_plan()}))
    [(body,)] = journal.run(lambda connection: connection.execute("SELECT body FROM plans").fetchall())
    [(alone,)] = journal.run(lambda connection: connection.execute("SELECT body FROM destinations").fetchall())
    plan = json.loads(body)
    assert {name: set(one) for name, one in plan["products"].items()} == {"voice": set(PRODUCT), "video": set(PRODUCT)}
    assert plan["destinations"]["d" * 32] == json.loads(alone)
    assert json.loads(alone).keys() >= EARLIER.keys() - {"credential_sid", "credential_type"}
    assert json.loads(alone)["credential"] is None
    assert "a-secret-key" not in body + alone


@pytest.mark.parametrize("change", [{"addressing": "later"}, {"server_side_encryption": "later"}, {"bucket": None}])
def test_what_a_later_version_kept_and_this_one_does_not_know_is_left_out(
    journal: Journal, caplog: pytest.LogCaptureFixture, change: dict[str, Any]
) -> None:
    write(journal, product=PRODUCT, destination={**EARLIER, **change})
    with caplog.at_level(logging.WARNING):
        assert journal.run(destinations.remembered) == []
        assert journal.run(journalled_plans) == {}
    assert caplog.text.count(ACCOUNT) == 2
    assert next(iter(change)) in caplog.text


def test_a_destination_is_kept_without_its_credential(journal: Journal) -> None:
    [wanted] = account_plan().destinations.values()
    journal.run(lambda connection: destinations.keep(connection, (ACCOUNT, wanted.id), wanted))
    kept: list[tuple[str, DestinationPlan]] = journal.run(destinations.remembered)
    assert kept == [(ACCOUNT, wanted.replace(credential=None))]
