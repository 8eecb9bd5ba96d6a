"""RecordingSettings: looks at references and store, and does what was decided."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recording_storage.controller.cluster.index import Index, account_key
from recording_storage.controller.cluster.kube import Kube
from recording_storage.controller.cluster.unreadable import Unread
from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.core.verdicts import RunsOn, Stalled, Transient, Verdict, Waiting
from recording_storage.controller.kinds.accounts import Access, Accounts, internal_verdict, public_verdict
from recording_storage.controller.kinds.recording_settings import decide as decisions
from recording_storage.controller.kinds.recording_settings.decide import owner_of
from recording_storage.controller.kinds.recording_settings.desired import References, differences
from recording_storage.controller.kinds.recording_settings.observed import (
    Action,
    Claim,
    Observed,
    Post,
    Release,
    SetOwnStorage,
    View,
)
from recording_storage.controller.kinds.secrets import read_config_map
from recording_storage.controller.kinds.usage import live_uploaders, products
from recording_storage.controller.stores.errors import StoreFailure, StoreRefused, StoreUnavailable
from recording_storage.domain.conditions import ConditionType, Truth
from recording_storage.domain.durations import parse_duration
from recording_storage.domain.states import Product
from recording_storage.resources import AwsCredential, PublicKey, RecordingSettings, Resource

_CONFLICT = 409
_UNAVAILABLE = "20503"
REFS, VERIFIED = ConditionType.REFS_RESOLVED, ConditionType.BUCKET_VERIFIED

REASONS = {
    "53610": ("InvalidBucketUrl", "correct spec.awsStorage.url (and region), or what the message names"),
    "53611": ("InvalidAwsCredentials", "put a key pair that works into the Secret of the AwsCredential"),
    "53612": ("InvalidPublicKey", "refer to a PublicKey that holds an RSA key of at least 2048 bits"),
    "53613": ("AwsCredentialNotFound", "it is created anew by itself; look at the AwsCredential"),
    "53614": ("PublicKeyNotFound", "it is created anew by itself; look at the PublicKey"),
    "53615": (
        "BucketAccessDenied",
        (
            "correct spec.awsStorage.url if it names a bucket that is not there or not yours; else allow the key pair "
            "s3:ListBucketMultipartUploads on the bucket, and s3:PutObject, s3:AbortMultipartUpload and "
            "s3:ListMultipartUploadParts below the folder"
        ),
    ),
}
"""The API's code → reason, and what to do. Tried again by itself, so mending the bucket is enough."""


class SettingsKind:
    def __init__(self, *, kube: Kube, index: Index, accounts: Accounts) -> None:
        self._kube = kube
        self._index = index
        self._accounts = accounts
        self._posted: defaultdict[str, set[Product]] = defaultdict(set)

    def interval(self, resource: RecordingSettings) -> float:
        return parse_duration(resource.spec.interval)

    def suspended(self, resource: RecordingSettings) -> bool:
        return resource.spec.suspend

    def decide(self, resource: RecordingSettings, observed: Observed) -> Decision[Action]:
        return decisions.decide(resource, observed)

    def changes(self, before: RecordingSettings, after: RecordingSettings) -> tuple[Note, ...]:
        """None: what is set at the store is told when it is done."""
        del before, after
        return ()

    def decide_deletion(self, resource: RecordingSettings, observed: Observed) -> Decision[Action]:
        return decisions.decide_deletion(resource, observed)

    async def observe(self, resource: RecordingSettings) -> Observed:
        posted = frozenset(self._posted.pop(resource.metadata.uid, set()))
        deleting = resource.metadata.deletion_timestamp is not None
        if deleting and self._index.get(account_key(resource)) is None:
            return Observed(gone=True)
        try:
            access = await self._accounts.access(resource)
        except Verdict as verdict:
            return Observed(failure=verdict, refs_resolved=False)
        facts: dict[str, Any] = {"account_sid": access.sid, "hosted": access.internal is None, "posted": posted}
        if not deleting:
            try:
                facts |= await self._references(resource)
            except Verdict as verdict:
                return Observed(**facts, failure=verdict, refs_resolved=False)
        try:
            facts["views"] = await self._views(access)
            facts |= await _uploaders(access)
        except Verdict as verdict:
            return Observed(**facts, failure=verdict)
        if access.internal is None:
            facts["rival"] = self._rival(resource)
        return Observed(**facts)

    async def act(self, resource: RecordingSettings, action: Action) -> None:
        access = await self._accounts.access(resource)
        if isinstance(action, Post):
            await self._post_each(resource, access, action)
            return
        if access.internal is None:
            return
        owner = owner_of(resource)
        try:
            if isinstance(action, Claim):
                await access.internal.claim_settings(access.sid, action.product, owner=action.owner, label=owner)
            elif isinstance(action, Release):
                await access.internal.release_settings(access.sid, action.product, owner=action.owner)
            elif isinstance(action, SetOwnStorage):
                await access.internal.set_own_storage(access.sid, action.product, action.own_storage)
        except StoreRefused as error:
            if error.status != _CONFLICT:
                raise internal_verdict(error, access.internal) from error
            raise Waiting("Conflict", f"somebody else has just claimed them: {error.message}", after=1.0) from error
        except StoreFailure as error:
            raise internal_verdict(error, access.internal) from error

    async def _post_each(self, resource: RecordingSettings, access: Access, action: Post) -> None:
        refusal: Verdict | None = None
        for product in action.products:
            try:
                await self._post(access, product, action)
                self._posted[resource.metadata.uid].add(product)
            except Stalled as verdict:
                refusal = verdict if refusal is None or isinstance(refusal, RunsOn) else refusal
            except RunsOn as verdict:
                refusal = refusal or verdict
        if refusal is not None:
            raise refusal

    async def _post(self, access: Access, product: Product, action: Post) -> None:
        try:
            await access.store.set_settings(product, action.form)
        except StoreFailure as error:
            kept, runs_on = "", False
            if action.rotating_from and isinstance(error, StoreRefused):
                kept = f" Until then {action.rotating_from} stays in use."
                runs_on = await self._keep(access, product, action)
            verdict = verdict_of_post(error, access, product, kept=kept)
            if isinstance(verdict, Stalled):
                verdict.status = {
                    "refusedCredential": _refused(error, action, verdict),
                    "waiting": list(action.waiting) or None,
                }
                if action.waits:
                    verdict.message = f"{verdict.message} Now {action.waits}."
                if runs_on and not action.waits:
                    raise RunsOn(verdict) from error
            raise verdict from error

    async def _keep(self, access: Access, product: Product, action: Post) -> bool:
        """The successor of a credential is refused; whatever else has changed need not wait for that to be mended.

        Returns:
            Whether all else is in force: then it is the key alone that was refused.
        """
        form = {**action.form, "AwsCredentialsSid": action.rotating_from}
        try:
            present = (await access.store.settings(product)).values
            if differences(form, present, hosted=access.internal is None):
                await access.store.set_settings(product, form)
        except StoreFailure:
            return False  # the refusal that led here is told, with all there is to mend
        return True

    async def _references(self, resource: RecordingSettings) -> dict[str, Any]:
        """`refs` and `rotating_from`. Those of what is switched off are taken if they are there."""
        storage, encryption = resource.spec.aws_storage, resource.spec.encryption
        here, account = resource.metadata.namespace, account_key(resource)
        credential_sid = rotating_from = public_key_sid = ca_bundle = ""
        if storage.credential_ref is not None:
            credential = self._index.get(Key(Kind.CREDENTIAL, here, storage.credential_ref.name))
            if isinstance(credential, AwsCredential) and account_key(credential) == account and credential.status.sid:
                credential_sid = credential.status.pending_sid or credential.status.sid
                rotating_from = credential.status.sid if credential.status.pending_sid else ""
            elif storage.enabled:
                raise _unresolved(credential, Kind.CREDENTIAL, storage.credential_ref.name, resource)
        if encryption.public_key_ref is not None:
            key = self._index.get(Key(Kind.PUBLIC_KEY, here, encryption.public_key_ref.name))
            if isinstance(key, PublicKey) and account_key(key) == account and key.status.sid:
                public_key_sid = key.status.sid
            elif encryption.enabled:
                raise _unresolved(key, Kind.PUBLIC_KEY, encryption.public_key_ref.name, resource)
        if storage.ca_bundle_ref is not None:
            ref = storage.ca_bundle_ref
            data = await read_config_map(self._kube, namespace=here, name=ref.name)
            ca_bundle = (data or {}).get(ref.key, "")
            if not ca_bundle.strip() and storage.enabled:
                fault = f"has no key {ref.key!r}, or it is empty" if data is not None else "does not exist"
                message = f"ConfigMap {here}/{ref.name} {fault}: put the endpoint's certificates (PEM) there"
                raise Waiting("ConfigMapNotFound", message, cause=REFS, after=300.0, ready=Truth.FALSE)
        refs = References(credential_sid=credential_sid, public_key_sid=public_key_sid, ca_bundle=ca_bundle)
        return {"refs": refs, "rotating_from": rotating_from}

    async def _views(self, access: Access) -> Mapping[Product, View]:
        views = {}
        try:
            for product in products(access):
                settings = (await access.store.settings(product)).values
                views[product] = View(settings=settings)
        except StoreFailure as error:
            raise public_verdict(error, access) from error
        if access.internal is None:
            return views
        try:
            for product, view in views.items():
                state = await access.internal.settings_state(access.sid, product)
                views[product] = View(
                    settings=view.settings,
                    revision=state.revision,
                    owner=state.owner,
                    owner_label=state.label,
                    verified_at=state.verified_at,
                    own_storage=state.own_storage,
                )
        except StoreFailure as error:
            raise internal_verdict(error, access.internal) from error
        return views

    def _rival(self, resource: RecordingSettings) -> str:
        """Of all that want the video settings of the account: the first one, if it isn't this one."""
        candidates = [
            each
            for each in self._index.resources(self._index.referrers(account_key(resource)))
            if isinstance(each, RecordingSettings)
            and Product.VIDEO in each.spec.products
            and each.metadata.deletion_timestamp is None
        ]
        first = min(candidates, key=_seniority, default=resource)
        return "" if first.metadata.uid == resource.metadata.uid else owner_of(first)


def _seniority(settings: RecordingSettings) -> tuple[bool, datetime, str]:
    """One that has set them already stays, whenever it was made: a restored cluster makes new times."""
    created = settings.metadata.creation_timestamp or datetime.now(UTC)
    return settings.status.effective is None, created, owner_of(settings)


async def _uploaders(access: Access) -> dict[str, Any]:
    """`applied` and `waiting`."""
    uploaders = await live_uploaders(access)
    if uploaders is None:
        return {"applied": None}
    waiting = Counter[Product]()
    for each in uploaders:
        waiting.update(each.report.without_settings.get(access.sid, {}))
    applied = tuple(each.report.applied_revisions.get(access.sid) for each in uploaders)
    return {"applied": applied, "waiting": waiting}


def _unresolved(found: Resource | None, kind: Kind, name: str, resource: RecordingSettings) -> Verdict:
    here = resource.metadata.namespace
    if found is None:
        return Waiting(
            f"{kind}NotFound",
            f"{kind} {here}/{name} does not exist: create it, or correct the reference",
            cause=REFS,
            after=300.0,
            ready=Truth.FALSE,
        )
    if not isinstance(found, Unread) and account_key(found) != account_key(resource):
        other, own = account_key(found), account_key(resource)
        return Stalled(
            f"{kind}OfOtherAccount",
            f"{kind} {here}/{name} belongs to RecordingAccount {other.namespace}/{other.name}, these settings to "
            f"{own.namespace}/{own.name}: refer to one of the same account",
            cause=REFS,
        )
    ready = found.status.condition("Ready")
    said = f" ({ready.reason}: {ready.message})" if ready else ""
    failed = ready is not None and ready.status == Truth.FALSE
    return Waiting(
        f"{kind}NotReady",
        f"{kind} {here}/{name} is not at the store yet{said}",
        cause=REFS,
        ready=Truth.FALSE if failed else Truth.UNKNOWN,
    )


def _refused(error: StoreFailure, action: Post, verdict: Verdict) -> dict[str, str] | None:
    """For the AwsCredential, which tells it to those who have changed its Secret."""
    if not action.rotating_from:
        return None
    return {"sid": action.form["AwsCredentialsSid"], "code": error.code[:16], "reason": verdict.reason}


def verdict_of_post(error: StoreFailure, access: Access, product: Product, *, kept: str = "") -> Verdict:
    """What a refused POST of settings means."""
    if error.code in REASONS:
        reason, remedy = REASONS[error.code]
        message = f"{product}: {error.message} ({error.code}). To mend it: {remedy}; it is tried again by itself.{kept}"
        return Stalled(reason, message, cause=VERIFIED)
    if isinstance(error, StoreUnavailable) and error.code == _UNAVAILABLE and "bucket" in error.message:
        message = f"{product}: {error.message}; tried again by itself"
        return Transient("BucketUnavailable", message, cause=VERIFIED, retry_after=error.retry_after)
    return public_verdict(error, access)
