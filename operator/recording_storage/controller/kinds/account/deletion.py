"""What is left to do when a RecordingAccount goes: account and Secret stay both, or go both."""

from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.verdicts import InUse, UsedBy
from recording_storage.controller.kinds.account.decide import (
    Action,
    AdoptSecret,
    CloseAccount,
    KeySecret,
    Observed,
    Unbind,
    by_name,
    released,
)
from recording_storage.controller.kinds.deletion import abandoned
from recording_storage.resources import RecordingAccount
from recording_storage.resources.account import AccountDeletionPolicy, StoreType

_NAMED = 5  # objects that a message names


def closes(account: RecordingAccount) -> bool:
    """Whether its account is closed when it is deleted."""
    bundled = account.spec.store.type is StoreType.BUNDLED
    return bundled and account.spec.deletion_policy is AccountDeletionPolicy.CLOSE


def decide_deletion(account: RecordingAccount, observed: Observed) -> Decision[Action]:
    """Decide what is left to do at the store before the object may go."""
    if observed.dependents:
        names = ", ".join(observed.dependents[:_NAMED]) + (", …" if len(observed.dependents) > _NAMED else "")
        message = f"still referred to by {names}: delete these first, or have them refer to another account"
        return Decision(verdict=InUse(message, by=UsedBy.OBJECTS))
    sid, kept = account.status.account_sid, released(account, observed.secret)
    if not closes(account) or sid is None:
        return Decision(actions=kept, notes=_retained(account, observed.secret), finished=True)
    adopted = _adopted(observed.secret, sid)
    if observed.closed:  # by a look that was cut short before the Secret's turn
        return Decision(actions=adopted, finished=True)
    if observed.failure is not None:
        return Decision(verdict=observed.failure)
    if observed.proof is None or observed.account_sid != sid:
        why = f"account {sid} stays open, since {account.api_key_secret} holds no API key of it any more"
        return Decision(actions=kept, notes=(abandoned(why),), finished=True)
    unbind = tuple(Unbind(each, sid) for each in by_name(observed.bound or ()))
    note = Note(reason="AccountClosed", message=f"account {sid} is closed")
    return Decision(actions=(*unbind, CloseAccount(sid), *adopted), notes=(note,), finished=True)


def _adopted(secret: KeySecret, account_sid: str) -> tuple[Action, ...]:
    """Only what the operator wrote names an account: a Secret of somebody's own is left alone."""
    alone = not secret.owned and not secret.elsewhere
    return (AdoptSecret(secret.uid),) if alone and secret.account_sid == account_sid else ()


def _retained(account: RecordingAccount, secret: KeySecret) -> tuple[Note, ...]:
    sid = account.status.account_sid
    if sid is None or account.spec.store.type is StoreType.REMOTE:
        return ()
    found = "stays, too" if secret.found else "is gone: restore it"
    message = (
        f"account {sid} stays at the settings store. {account.api_key_secret} with its API key {found}; a "
        "RecordingAccount that is applied again with that Secret takes the account again"
    )
    return (Note(reason="AccountRetained", message=message),)
