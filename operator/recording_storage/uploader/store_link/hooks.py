"""What the line to the store calls: plans and commands come in here, reports go out. Imported with a store alone."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

import logging
import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from recording_storage import __version__
from recording_storage.domain.amounts import counted
from recording_storage.domain.policy import UploadPolicy
from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.plan import OtherCredential, StaticKeys
from recording_storage.protocol.sync import Command, CommandKind, ParkedSample, SpoolReport
from recording_storage.protocol.sync import Tally as TallyMessage
from recording_storage.s3.types import Credential
from recording_storage.uploader.core.plans import DestinationTerms, Plan, ProductTerms
from recording_storage.uploader.core.recording import Reason
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.pinning import WAITS_SQL
from recording_storage.uploader.journal.plans import journal_plans

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from recording_storage.protocol.plan import AccountPlan, DestinationPlan
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.status.running import EngineView

log = logging.getLogger(__name__)
_SAMPLE = 20
_FINAL_OR_KEPT = ("parked", "rejected")


def plan_from(message: AccountPlan) -> Plan:
    """The store's message as the engine knows plans."""
    return Plan(
        account_sid=message.account_sid,
        revision=message.revision,
        products={
            product: ProductTerms(
                destination_id=terms.destination_id,
                policy=UploadPolicy(
                    retry_window=terms.retry_window,
                    fatal_error_policy=terms.fatal_error_policy,
                    denial_grace=terms.denial_grace,
                ),
            )
            for product, terms in message.products.items()
        },
        destinations={number: _terms(destination) for number, destination in message.destinations.items()},
    )


def _terms(message: DestinationPlan) -> DestinationTerms:
    credential = message.credential
    encryption = message.encryption
    return DestinationTerms(
        id=message.id,
        endpoint=message.endpoint,
        bucket=message.bucket,
        prefix=message.prefix,
        region=message.region,
        addressing=message.addressing,
        allow_http=message.allow_http,
        allow_private=message.allow_private,
        key_template=message.key_template,
        ca_bundle=message.ca_bundle,
        expected_bucket_owner=message.expected_bucket_owner,
        storage_class=message.storage_class,
        server_side_encryption=message.server_side_encryption.value,
        kms_key_id=message.kms_key_id,
        tags=message.tags,
        object_metadata=message.object_metadata.value,
        trust_unverified=message.trust_unverified,
        encryption=encryption.model_dump() if encryption is not None else None,
        proven=message.proven,
        credential=_keys(credential) if isinstance(credential, StaticKeys) else None,
        credential_sid=credential.sid if credential is not None else "",
        credential_type=credential.type if isinstance(credential, OtherCredential) else "",
    )


def _keys(message: StaticKeys) -> Credential:
    return Credential(
        message.access_key_id,
        message.secret_access_key.get_secret_value(),
        message.session_token.get_secret_value() if message.session_token is not None else None,
        message.expiration.timestamp() if message.expiration is not None else None,
    )


class StoreHooks:
    """The port `SourceHooks`."""

    def __init__(self, parts: Parts, *, view: EngineView, plans_changed: Callable[[], None]) -> None:
        self._parts = parts
        self._view = view
        self._plans_changed = plans_changed

    def plans(self, plans: Mapping[str, AccountPlan]) -> None:
        """See the port."""
        taken = {account: plan_from(message) for account, message in plans.items()}
        self._parts.journal.run(lambda connection: journal_plans(connection, taken))
        self._parts.plans.replace(taken)
        self._plans_changed()
        log.info(
            "plans in force: %s", ", ".join(f"{plan.account_sid} revision {plan.revision}" for plan in taken.values())
        )

    def commands(self, commands: Sequence[Command]) -> None:
        """See the port."""
        for command in commands:
            self._command(command)

    def _command(self, command: Command) -> None:
        query = "SELECT 1 FROM commands WHERE id = ?"
        if self._parts.journal.run(lambda connection: connection.execute(query, (command.id,)).fetchone()):
            return
        sids = [command.recording_sid] if command.kind is CommandKind.RETRY_ONE and command.recording_sid else None
        if command.kind is CommandKind.RETRY_ONE and sids is None:
            log.warning("the command %s names no recording and is left out", command.id)
            moved: Sequence[str] = []
        else:
            # twice does no harm, should the process end before the next line
            moved = self._view.retry(sids, account_sid=command.account_sid)
        now = self._parts.clock.now()

        def done(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR IGNORE INTO commands VALUES (?,?)", (command.id, now))

        self._parts.journal.run(done)
        log.info("%s was asked for: %s tried again", command.kind.value, counted(len(moved), "recording"))

    def report(self) -> SpoolReport:
        """See the port."""
        status = self._view.status()
        needed, waiting, parked = self._parts.journal.run(
            lambda connection: (_needed(connection), _without_settings(connection), _parked(connection))
        )
        started = datetime.fromtimestamp(status.started_at, UTC)
        return SpoolReport(
            uploader_version=__version__,
            hostname=socket.gethostname(),
            namespace=os.environ.get("POD_NAMESPACE", ""),
            claim=os.environ.get("RECORDING_STORAGE_CLAIM", ""),
            started_at=started,
            states={state: TallyMessage(count=t.count, size=t.size) for state, t in status.states.items()},
            oldest=None if status.oldest is None else datetime.fromtimestamp(status.oldest, UTC),
            unproven=len(status.unproven),
            oldest_unproven=_moment(status.unproven[0].since) if status.unproven else None,
            free_bytes=status.free_bytes,
            total_bytes=status.total_bytes,
            applied_revisions=dict(status.applied_revisions),
            needed_destinations=needed,
            without_settings=waiting,
            credentials_in_use=self._parts.plans.credentials_in_use(),
            last_error=status.intake_stopped or status.last_error,
            parked=parked,
        )


def _moment(posix: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(posix, UTC)
    except (ValueError, OverflowError, OSError):  # a file's time can be any
        return None


def _needed(connection: sqlite3.Connection) -> dict[str, list[str]]:
    needed: dict[str, list[str]] = {}
    query = (
        f"SELECT DISTINCT account_sid, destination_id FROM recordings WHERE {records.OPEN_SQL}"
        " AND destination_id IS NOT NULL AND account_sid <> ''"
    )
    for account, destination in connection.execute(query):
        needed.setdefault(account, []).append(destination)
    return needed


def _without_settings(connection: sqlite3.Connection) -> dict[str, dict[Product, int]]:
    query = (
        "SELECT account_sid, product, count(*) FROM recordings"
        f" WHERE {WAITS_SQL} AND error_code='{Reason.NO_SETTINGS}' GROUP BY account_sid, product"
    )
    found: dict[str, dict[Product, int]] = {}
    for account, product, count in connection.execute(query):
        found.setdefault(account, {})[Product(product)] = count
    return found


def _parked(connection: sqlite3.Connection) -> list[ParkedSample]:
    states = ",".join(f"'{state}'" for state in _FINAL_OR_KEPT)
    found = records.select(
        connection,
        f"r.{records.OPEN_SQL} AND r.state IN ({states})",
        tail=f"ORDER BY r.changed_at DESC LIMIT {_SAMPLE}",
    )
    return [
        ParkedSample(
            sid=one.sid,
            file=one.path,
            state=RecordingState(one.state),
            error=f"{one.error.code}: {one.error.message}" if one.error is not None else "",
            since=datetime.fromtimestamp(one.changed_at, UTC),
        )
        for one in found
    ]
