"""What a RecordingAccount needs, decided from what is there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.verdicts import Stalled, Transient, Verdict, Waiting
from recording_storage.controller.stores.public import ApiKey
from recording_storage.domain.conditions import Condition, ConditionType, Truth, true
from recording_storage.resources import RecordingAccount
from recording_storage.resources.account import MOST_NAMESPACES, StoreType

CLOSED = "closed"
"""The status of an account at the store."""
REPLACE_ANNOTATION = "recordingstorage.dev/replace-account"
"""Its value is the account that the store has lost, and that somebody wants another one for."""


@dataclass(frozen=True, kw_only=True)
class Namespace:
    name: str
    uid: str


class Proof(StrEnum):
    """By what right the operator binds namespaces to the account."""

    EXTERNAL_ID = "ExternalId"
    """The account was opened for this very resource."""
    API_KEY = "ApiKey"
    """The Secret holds the account's own API key."""


@dataclass(frozen=True, kw_only=True)
class KeySecret:
    """The Secret with the API key."""

    found: bool
    uid: str = ""
    ours: bool = False
    """The operator wrote it for the account that it has opened for this resource."""
    owned: bool = False
    """It goes with this resource, as all did that earlier versions of the operator have written."""
    elsewhere: bool = False
    """It goes with another object."""
    account_sid: str = ""
    """Which account the operator wrote it for; empty where it doesn't say."""
    key: ApiKey | None = None
    problem: str = ""
    """Why it can't be used, naming Secret and key."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    secret: KeySecret
    account_sid: str | None = None
    """Of the account that was opened for this resource, or that the API key belongs to."""
    proof: Proof | None = None
    key: ApiKey | None = field(default=None, repr=False)
    named_is_ours: bool = False
    """Bundled: the account that spec.accountSid names was opened for this very resource."""
    closed: bool = False
    """The account is closed already; looked at only where the resource's deletion closes it."""
    failure: Verdict | None = None
    """Why the account could not be looked at."""
    namespaces: tuple[Namespace, ...] = ()
    """Those that may use the account, by the spec."""
    bound: tuple[Namespace, ...] | None = None
    """Those that are bound at the store; None where there is nothing to bind."""
    dependents: tuple[str, ...] = ()
    """Objects that refer to the account: `AwsCredential team-a/main`."""


@dataclass(frozen=True)
class OpenAccount:
    """At the bundled store, for the resource's UID: the same account each time."""


@dataclass(frozen=True)
class WriteKeySecret:
    key: ApiKey
    account_sid: str
    over: str = ""
    """UID of the Secret that it replaces; empty where there is none."""


@dataclass(frozen=True)
class ReleaseSecret:
    """Have it stay when the resource goes: without it the account could not be found again."""

    uid: str
    account_sid: str


@dataclass(frozen=True)
class AdoptSecret:
    """Have the garbage collector remove it after the resource, since its account is closed; we may delete no Secret."""

    uid: str


@dataclass(frozen=True)
class Bind:
    namespace: Namespace
    account_sid: str
    proof: Proof


@dataclass(frozen=True)
class Unbind:
    namespace: Namespace
    account_sid: str


@dataclass(frozen=True)
class CloseAccount:
    account_sid: str


Action = OpenAccount | WriteKeySecret | ReleaseSecret | AdoptSecret | Bind | Unbind | CloseAccount
REFS, SYNCED = ConditionType.REFS_RESOLVED, ConditionType.SYNCED


def decide(account: RecordingAccount, observed: Observed) -> Decision[Action]:  # noqa: PLR0911 - one for each state
    """Decide the next step towards an account that is open, reachable and bound to the namespaces that may use it."""
    remote = account.spec.store.type is StoreType.REMOTE
    wanted = account.spec.account_sid
    if observed.secret.owned:  # whatever else there is: a store that is away must not keep it in danger
        return Decision(actions=released(account, observed.secret))
    if observed.failure is not None:
        return Decision(verdict=observed.failure)
    if len(observed.namespaces) > MOST_NAMESPACES:
        return Decision(verdict=_too_many(account, observed))
    if remote and observed.secret.key is None:
        return Decision(verdict=_secret_missing(account, observed.secret))
    if observed.account_sid is None:
        if wanted is not None and not observed.named_is_ours:
            return Decision(verdict=_not_ours(account, observed))
        if (known := _known_otherwise(account, observed.secret)) is not None:
            return Decision(verdict=known)
        return Decision(actions=(OpenAccount(),))
    if wanted is not None and observed.account_sid != wanted:
        return Decision(verdict=_wrong_account(account, observed))
    if _needs_secret(observed) and observed.secret.found and not observed.secret.ours:
        return Decision(verdict=_secret_taken(account, observed.secret), conditions=(_resolved(account, observed),))
    return _decide_open(account, observed, observed.account_sid)


def _decide_open(account: RecordingAccount, observed: Observed, sid: str) -> Decision[Action]:
    """The account is there and ours to use: its key is in the Secret, the namespaces are bound."""
    assert observed.key is not None
    status = {
        "accountSid": sid,
        "apiKeySid": None if observed.key.is_auth_token else observed.key.sid,
        "externalId": account.metadata.uid if observed.proof is Proof.EXTERNAL_ID else None,
        "boundNamespaces": [{"name": each.name, "uid": each.uid} for each in by_name(observed.namespaces)],
    }
    actions: list[Action] = []
    if _needs_secret(observed):
        actions.append(WriteKeySecret(observed.key, sid, over=observed.secret.uid))
    if observed.bound is not None and observed.proof is not None:
        actions += [
            Bind(each, sid, observed.proof) for each in by_name(observed.namespaces) if each not in observed.bound
        ]
        # Only what this resource has bound: another resource may bind namespaces to the same account by its key.
        before = {each.uid for each in account.status.bound_namespaces or ()}
        actions += [
            Unbind(each, sid)
            for each in by_name(observed.bound)
            if each not in observed.namespaces and each.uid in before
        ]
    if actions:
        return Decision(actions=tuple(actions), status={"accountSid": sid})
    names = ", ".join(each.name for each in by_name(observed.namespaces)) or "none"
    message = f"account {sid}; namespaces that may use it: {names}"
    return Decision(
        status=status,
        conditions=(_resolved(account, observed), true(SYNCED, "Synced", message)),
        message=message,
    )


def changes(before: RecordingAccount, after: RecordingAccount) -> tuple[Note, ...]:
    """What is to be told of a look that has led from one status to another."""
    old, new = before.status.account_sid, after.status.account_sid
    if new in {None, old}:
        return ()
    if old is None:
        return (Note(reason="AccountReady", message=f"account {new} is usable from here"),)
    message = (
        f"the store has another account for this resource now: {new} instead of {old}. What was recorded for {old} "
        "stays with that one; see that its store is the right one"
    )
    return (Note(reason="AccountReplaced", message=message, warning=True),)


def released(account: RecordingAccount, secret: KeySecret) -> tuple[Action, ...]:
    """What it takes to have the Secret stay when the resource goes."""
    sid = secret.account_sid or account.status.account_sid or ""
    return (ReleaseSecret(secret.uid, sid),) if secret.owned else ()


def _needs_secret(observed: Observed) -> bool:
    return observed.proof is Proof.EXTERNAL_ID and observed.secret.key != observed.key


def by_name(namespaces: Sequence[Namespace]) -> list[Namespace]:
    """In a stable order."""
    return sorted(namespaces, key=lambda each: (each.name, each.uid))


def _resolved(account: RecordingAccount, observed: Observed) -> Condition:
    source = f"Secret {account.api_key_secret_name}"
    if observed.proof is Proof.API_KEY:
        return true(REFS, "Resolved", f"{source} holds the account's API key")
    return true(REFS, "Resolved", f"{source} is written by the operator")


def _secret_missing(account: RecordingAccount, secret: KeySecret) -> Verdict:
    if not secret.found:
        return Waiting(
            "SecretNotFound",
            f"{account.api_key_secret} does not exist: create it with type kubernetes.io/basic-auth, the API key's sid "
            "(SK…) as username and its secret as password, or the account's sid (AC…) and its auth token",
            cause=REFS,
            ready=Truth.FALSE,
        )
    return Waiting("SecretInvalid", secret.problem, cause=REFS, ready=Truth.FALSE)


def _not_ours(account: RecordingAccount, observed: Observed) -> Verdict:
    wanted = account.spec.account_sid
    state = observed.secret.problem or (f"{account.api_key_secret} does not exist" if not observed.secret.found else "")
    return Stalled(
        "AccountNotOurs",
        f"account {wanted} was not opened for this resource{f', and {state}' if state else ''}: put an API key of that "
        f"account into {account.api_key_secret} (kubernetes.io/basic-auth), or leave out spec.accountSid in a new "
        "RecordingAccount to have an account opened",
        cause=SYNCED,
    )


def _wrong_account(account: RecordingAccount, observed: Observed) -> Verdict:
    if observed.proof is Proof.API_KEY:
        return Stalled(
            "AccountNotOurs",
            f"the API key in Secret {account.api_key_secret_name} belongs to account {observed.account_sid}, not to "
            f"{account.spec.account_sid}: put that account's own API key there",
            cause=REFS,
        )
    return Stalled(
        "AccountNotOurs",
        f"the account that was opened for this resource is {observed.account_sid}, not {account.spec.account_sid}: put "
        f"an API key of {account.spec.account_sid} into Secret {account.api_key_secret_name}, or create another "
        "RecordingAccount without spec.accountSid",
        cause=SYNCED,
    )


def _known_otherwise(account: RecordingAccount, secret: KeySecret) -> Verdict | None:
    """A restored resource has had an account before: none is opened beside it on a guess."""
    if secret.found and not secret.ours:
        return _secret_taken(account, secret)
    status = account.status
    if status.account_sid is None or status.external_id == account.metadata.uid:
        return None
    return Stalled(
        "AccountNotOurs",
        f"this resource has had account {status.account_sid}, by the status that it was restored with, and "
        f"{account.api_key_secret} with that account's API key does not exist: restore it, and the account is taken "
        "again. To have another one opened, delete this RecordingAccount and create it anew",
        cause=REFS,
    )


def known_sid(account: RecordingAccount) -> str | None:
    """The account that was opened for this resource: no other is opened, unless somebody says so."""
    status = account.status
    if status.external_id != account.metadata.uid:
        return None
    return None if account.metadata.annotations.get(REPLACE_ANNOTATION) == status.account_sid else status.account_sid


def closed() -> Verdict:
    """For good: the store opens none that was closed."""
    return Stalled(
        "AccountClosed",
        "the account that was opened for this resource has been closed at the settings store: delete "
        "this RecordingAccount and create it anew to have another one opened",
        cause=SYNCED,
    )


def missing(account: RecordingAccount) -> Verdict:
    """The store was restored from an older backup, or is another one; which of both only a person knows."""
    sid, meta = account.status.account_sid, account.metadata
    return Stalled(
        "AccountMissing",
        f"the settings store does not have account {sid} any more, which was opened for RecordingAccount "
        f"{meta.namespace}/{meta.name}: restore a backup of its database that has it, or connect the operator to the "
        f"right store. To have another account opened, annotate that RecordingAccount with {REPLACE_ANNOTATION}={sid}",
        cause=SYNCED,
    )


def _too_many(account: RecordingAccount, observed: Observed) -> Verdict:
    """Binding some of them would leave out others by chance."""
    bound = len(account.status.bound_namespaces or ())
    return Stalled(
        "TooManyNamespaces",
        f"spec.allowedNamespaces selects {len(observed.namespaces)} namespaces, and an account can be bound to "
        f"{MOST_NAMESPACES}: narrow the selector, or divide them among several RecordingAccounts. Until then nothing "
        f"is changed: the {bound} that are bound stay so",
        cause=SYNCED,
    )


def _secret_taken(account: RecordingAccount, secret: KeySecret) -> Verdict:
    whose = f"for account {secret.account_sid}" if secret.account_sid else "for another purpose"
    why = f" ({secret.problem})" if secret.problem else ""
    return Stalled(
        "SecretNotOurs",
        f"{account.api_key_secret} was written {whose}, not for this resource, so it is left alone{why}. With a valid "
        "API key in it, the key's account is taken; to have another account opened, delete the Secret, or name another "
        "one in spec.apiKeySecretRef",
        cause=REFS,
    )


def refused_key(account: RecordingAccount, secret: KeySecret | None = None) -> Verdict:
    """The store doesn't take the API key."""
    of = f" of account {secret.account_sid}" if secret is not None and secret.account_sid else ""
    opens = account.spec.store.type is StoreType.BUNDLED and account.spec.account_sid is None
    other = ", or delete the Secret to have another account opened for this resource" if opens else ""
    return Stalled(
        "ApiKeyRefused",
        f"the settings store refuses the API key{of} in {account.api_key_secret}: put a valid key (username: its sid, "
        f"password: its secret) there{other}",
        cause=REFS,
    )


def unavailable(message: str, *, retry_after: float | None = None) -> Verdict:
    """The store can't be asked; it is nobody's fault here."""
    return Transient("StoreUnavailable", message, cause=SYNCED, retry_after=retry_after)
