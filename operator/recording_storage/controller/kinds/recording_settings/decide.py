"""What a RecordingSettings needs, decided from what is there."""

from collections.abc import Mapping
from typing import Any

from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.verdicts import Stalled, Verdict, Waiting
from recording_storage.controller.kinds.recording_settings import own_storage
from recording_storage.controller.kinds.recording_settings.desired import beyond_hosted, differences, parameters
from recording_storage.controller.kinds.recording_settings.observed import Action, Claim, Observed, Post, Release, View
from recording_storage.domain.bucket_url import BucketUrlError, parse_bucket_url
from recording_storage.domain.conditions import Condition, ConditionType, Truth, false, true
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.domain.settings_parameters import SettingsError
from recording_storage.domain.states import Product
from recording_storage.resources import RecordingSettings
from recording_storage.resources.recording_settings import Mode, SettingsDeletionPolicy

TAKE_OVER_ANNOTATION = "recordingstorage.dev/take-over"
"""`"true"`: the settings are taken from an owner that no longer exists."""
_LOOK_AGAIN = 10.0  # seconds, while uploaders still have to hear of a revision
REFS, SYNCED = ConditionType.REFS_RESOLVED, ConditionType.SYNCED
VERIFIED, IN_SYNC = ConditionType.BUCKET_VERIFIED, ConditionType.UPLOADERS_IN_SYNC


def owner_of(settings: RecordingSettings) -> str:
    """Stable in a cluster that was restored, unlike a UID or a time."""
    return f"{settings.metadata.namespace}/{settings.metadata.name}"


def decide(settings: RecordingSettings, observed: Observed) -> Decision[Action]:  # noqa: PLR0911 - one for each state
    """Decide the next step towards settings at the store that are what the spec says."""
    spec = settings.spec
    if observed.failure is not None:
        resolved = (true(REFS, "Resolved", "all references are there"),) if observed.refs_resolved else ()
        return Decision(verdict=observed.failure, conditions=resolved)
    resolved_condition = true(REFS, "Resolved", "all references are there")
    form = parameters(spec, observed.refs, hosted=observed.hosted)
    try:
        if observed.hosted and (refusal := _hosted_refusal(settings, observed)):
            return Decision(verdict=refusal)
        drift = {
            product: differences(form, observed.views[product].settings, hosted=observed.hosted)
            for product in spec.products
        }
    except SettingsError as error:
        return Decision(verdict=Stalled("InvalidSettings", str(error), cause=SYNCED), conditions=(resolved_condition,))
    drift = {product: names for product, names in drift.items() if names}
    if spec.mode is Mode.OBSERVE:
        return _observe(settings, observed, drift, resolved_condition)
    if (verdict := _conflict(settings, observed)) is not None:
        return Decision(verdict=verdict, conditions=(resolved_condition,))
    claims = _claims(settings, observed)
    due = tuple(product for product in drift if product not in observed.posted)
    posts = (
        [
            Post(
                due,
                form,
                observed.rotating_from,
                own_storage.sentence(observed),
                tuple(own_storage.waiting(observed) or ()),
            )
        ]
        if due
        else []
    )
    allowed = own_storage.allow(settings, observed)
    if claims or posts or allowed:
        notes = (*(_note(settings, product, drift[product]) for product in due), *map(own_storage.note, allowed))
        behind = false(SYNCED, "OutOfSync", f"the store differs in {_drifts(drift)}") if drift else resolved_condition
        return Decision(actions=(*claims, *posts, *allowed), conditions=(resolved_condition, behind), notes=notes)
    if drift:
        verdict = Waiting(
            "EchoDiffers",
            f"the settings store has taken the settings but answers otherwise for {_drifts(drift)}: somebody else may "
            "be setting them, or the store does not know these values",
            cause=SYNCED,
            ready=Truth.FALSE,
        )
        return Decision(verdict=verdict, conditions=(resolved_condition,))
    where = spec.aws_storage.url if spec.aws_storage.enabled else "the store's own media storage"
    message = f"{_products(spec.products)} recordings go to {where}{_revision(observed)}"
    if waits := own_storage.sentence(observed):
        message = f"{message}; {waits}"
    return Decision(
        status=_status(settings, observed),
        conditions=(
            resolved_condition,
            true(SYNCED, "Synced", f"the store has what is asked for{_revision(observed)}"),
            *_causes(settings, observed),
        ),
        message=message,
        again_after=None if _all_in_sync(observed) else _LOOK_AGAIN,
    )


def decide_deletion(settings: RecordingSettings, observed: Observed) -> Decision[Action]:
    """Decide what is left to do at the store before the object may go."""
    if observed.gone or settings.spec.mode is Mode.OBSERVE:
        return Decision(finished=True)
    if observed.failure is not None:
        return Decision(verdict=observed.failure)
    owner = owner_of(settings)
    mine = [
        (product, view)
        for product, view in observed.views.items()
        if view.owner == owner or (observed.hosted and not observed.rival)
    ]
    actions: list[Action] = []
    notes: list[Note] = []
    if settings.spec.deletion_policy is SettingsDeletionPolicy.DISABLE:
        actions += (withheld := own_storage.withhold(mine))
        notes += map(own_storage.note, withheld)
        for product, view in mine:
            if view.settings.aws_storage_enabled:
                name = view.settings.friendly_name or settings.spec.friendly_name
                actions.append(Post((product,), {"FriendlyName": name, "AwsStorageEnabled": "false"}))
                notes.append(
                    Note(reason="Disabled", message=f"external storage of {product} recordings is switched off")
                )
    actions += [Release(product, owner) for product, view in mine if view.owner == owner]
    return Decision(actions=tuple(actions), notes=tuple(notes), finished=True)


def _hosted_refusal(settings: RecordingSettings, observed: Observed) -> Verdict | None:
    if Product.VOICE in settings.spec.products:
        return Stalled(
            "VoiceNotAvailable",
            "the hosted service has voice's settings in its console only, its API has video's alone: set spec.products "
            "to [video], and voice's settings in the console",
            cause=SYNCED,
        )
    if names := beyond_hosted(settings.spec, observed.refs):
        return Stalled(
            "NotAvailableAtHostedService",
            f"the hosted service has nothing for {', '.join(names)}: leave these out",
            cause=SYNCED,
        )
    if observed.rival:
        return _conflict_with(settings, observed, Product.VIDEO, observed.rival)
    return None


def _conflict(settings: RecordingSettings, observed: Observed) -> Verdict | None:
    if settings.metadata.annotations.get(TAKE_OVER_ANNOTATION) == "true":
        return None
    for product in settings.spec.products:
        view = observed.views[product]
        if view.owner and view.owner != owner_of(settings):
            return _conflict_with(settings, observed, product, view.owner_label or view.owner)
    return None


def _conflict_with(settings: RecordingSettings, observed: Observed, product: Product, other: str) -> Verdict:
    del settings
    return Stalled(
        "Conflict",
        f"the {product} settings of account {observed.account_sid} are managed by RecordingSettings {other}: remove "
        f"{product} from spec.products here or there, or delete one of the two. If {other} does not exist any more, "
        f"annotate this object with {TAKE_OVER_ANNOTATION}=true",
        cause=SYNCED,
    )


def _claims(settings: RecordingSettings, observed: Observed) -> list[Action]:
    if observed.hosted:
        return []
    owner = owner_of(settings)
    actions: list[Action] = []
    for product in Product:
        view = observed.views.get(product)
        if view is None:
            continue
        if product in settings.spec.products and view.owner != owner:
            actions += [Release(product, view.owner)] if view.owner else []
            actions.append(Claim(product, owner))
        elif product not in settings.spec.products and view.owner == owner:
            actions.append(Release(product, owner))
    return actions


def _observe(
    settings: RecordingSettings, observed: Observed, drift: Mapping[Product, tuple[str, ...]], resolved: Condition
) -> Decision[Action]:
    status = _status(settings, observed)
    if not drift:
        message = f"the store has what is asked for{_revision(observed)}; only observed"
        causes = (resolved, true(SYNCED, "Synced", message), *_causes(settings, observed))
        return Decision(status=status, conditions=causes, message=message)
    message = (
        f"the store differs in {_drifts(drift)}; spec.mode is Observe, so it is not put back: set it to Manage for that"
    )
    verdict = Waiting("Drifted", message, cause=SYNCED, after=float("inf"), ready=Truth.FALSE)
    return Decision(status=status, conditions=(resolved, *_causes(settings, observed)), verdict=verdict)


def _causes(settings: RecordingSettings, observed: Observed) -> list[Condition]:
    causes = []
    views = [observed.views[product] for product in settings.spec.products]
    if all(view.settings.aws_storage_enabled for view in views):
        if observed.hosted:
            causes.append(true(VERIFIED, "Accepted", "the hosted service has tried the bucket when it was enabled"))
        elif any(view.verified_at is None for view in views):
            causes.append(false(VERIFIED, "NotVerified", "the store has not tried the bucket with these settings yet"))
        else:
            causes.append(
                true(VERIFIED, "Verified", f"the store has tried {views[0].settings.aws_s3_url} with {_sids(views)}")
            )
    if observed.applied is not None:
        causes.append(_uploaders(observed))
    return causes


def _uploaders(observed: Observed) -> Condition:
    total, done = len(observed.applied or ()), _in_sync(observed)
    if not total:
        return true(IN_SYNC, "NoUploaders", "no uploader of this account lives; the first one will get these settings")
    text = f"{done} of {total} uploaders run revision {_newest(observed)}"
    return true(IN_SYNC, "InSync", text) if done == total else false(IN_SYNC, "Behind", text)


def _in_sync(observed: Observed) -> int:
    newest = _newest(observed)
    return sum(applied is not None and applied >= newest for applied in observed.applied or ())


def _all_in_sync(observed: Observed) -> bool:
    return observed.applied is None or _in_sync(observed) == len(observed.applied)


def _newest(observed: Observed) -> int:
    return max((view.revision or 0 for view in observed.views.values()), default=0)


def _status(settings: RecordingSettings, observed: Observed) -> dict[str, Any]:
    verified = [observed.views[product].verified_at for product in settings.spec.products]
    times = [time for time in verified if time is not None]
    revisions = [observed.views[product].revision for product in settings.spec.products]
    return {
        "revision": max((each for each in revisions if each is not None), default=None),
        "effective": [_effective(product, observed.views[product].settings) for product in settings.spec.products],
        "verifiedAt": min(times).strftime("%Y-%m-%dT%H:%M:%SZ") if times and len(times) == len(verified) else None,
        "uploaders": {"total": len(observed.applied), "inSync": _in_sync(observed)}
        if observed.applied is not None
        else None,
        "refusedCredential": None,
        "waiting": own_storage.waiting(observed),
    }


def _effective(product: Product, present: StoreSettings) -> dict[str, Any]:
    entry: dict[str, Any] = {"product": product.value, "enabled": present.aws_storage_enabled}
    if present.aws_s3_url:
        entry["url"] = present.aws_s3_url
        entry |= _place(present)
    if present.aws_credentials_sid:
        entry["credentialSid"] = present.aws_credentials_sid
    if present.effective_key_sid:
        entry["publicKeySid"] = present.effective_key_sid
    return entry


def _place(present: StoreSettings) -> dict[str, str]:
    url = present.aws_s3_url
    own = "/".join(url.split("/")[:3])  # the store alone knows which endpoints are allowed, and it took this one
    for allowed in ((), (own,)):
        try:
            place = parse_bucket_url(url, region=present.region, allowed_endpoints=allowed, allow_http=True)
        except BucketUrlError:
            continue
        return {"bucket": place.bucket, "prefix": place.prefix, "region": place.region}
    return {}


def _note(settings: RecordingSettings, product: Product, names: tuple[str, ...]) -> Note:
    seen = settings.status.observed_generation == settings.metadata.generation
    ready = settings.status.condition("Ready")
    if seen and ready is not None and ready.status == Truth.TRUE:
        return Note(
            reason="DriftCorrected", message=f"{product}: {', '.join(names)} differed at the store and was put back"
        )
    return Note(reason="SettingsChanged", message=f"{product}: {', '.join(names)} set at the store")


def _drifts(drift: Mapping[Product, tuple[str, ...]]) -> str:
    return "; ".join(f"{product}: {', '.join(names)}" for product, names in drift.items())


def _products(products: tuple[Product, ...]) -> str:
    return " and ".join(sorted(products, reverse=True))


def _revision(observed: Observed) -> str:
    return f" (revision {_newest(observed)})" if not observed.hosted else ""


def _sids(views: list[View]) -> str:
    return ", ".join(sorted({view.settings.aws_credentials_sid for view in views}))
