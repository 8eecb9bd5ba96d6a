"""What becomes of a recording whose upload has failed: a pure decision, the same for the same facts."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from recording_storage.domain.backoff import full_jitter
from recording_storage.domain.denial import LEAST_DENIED
from recording_storage.domain.failures import FailureClass
from recording_storage.domain.policy import FatalErrorPolicy, UploadPolicy
from recording_storage.domain.retry_window import window_end
from recording_storage.domain.states import Product

MAX_REREADS = 2
"""How often a file is read again when what arrived is not what was sent."""
MAX_REBUILDS = 2
"""How often in one attempt a multipart upload is built anew before it waits like any other trouble."""


class NextStep(StrEnum):
    """What to do with the recording, or with its destination."""

    WAIT = "wait"
    """Try again after `delay`."""
    PARK = "park"
    """Keep it; no more automatic tries."""
    HOLD = "hold"
    """Hold the destination with all its recordings."""
    REFRESH_CREDENTIAL = "refresh-credential"
    """Look the credential up afresh, then try again at once."""
    CONFIRM = "confirm"
    """Let the verify sequence say whether the destination refuses everything."""
    DELETE = "delete"
    """Final: deleted at once, where the policy leaves no time."""


class Confirmation(StrEnum):
    """What the verify sequence has said of a destination that has refused a recording."""

    PENDING = "pending"
    FAILED = "failed"
    """The destination refuses it, too."""
    PASSED = "passed"
    """It takes the sequence: what it refuses is that recording."""


@dataclass(frozen=True, kw_only=True)
class FailureFacts:
    """The failure, and what came before it."""

    kind: FailureClass
    product: Product = Product.VOICE
    to_store: bool = True
    """The request that failed needs the right to store (see `domain.denial`)."""
    failures: int
    """In a row, this one included."""
    failing_for: float
    """Seconds of uploader running time since the first of them."""
    recovered_for: float | None = None
    """Seconds of it since the destination came back from being held; None: it was not held."""
    retry_after: float | None = None
    """Seconds that the server asked for."""
    fresh_credential: bool = False
    """The credential has been looked up afresh since it last worked."""
    confirmation: Confirmation = Confirmation.PENDING
    proven: bool = False
    """The destination has worked before."""

    @property
    def recovered_at(self) -> float | None:
        """The same, in seconds after the first of the failures."""
        return None if self.recovered_for is None else self.failing_for - self.recovered_for


@dataclass(frozen=True, kw_only=True)
class Decision:
    step: NextStep
    delay: float = 0.0
    """Seconds, for `WAIT`."""
    window_passed: bool = False
    """It is parked because the retry window has passed."""


_PARK = Decision(step=NextStep.PARK)
_HOLD = Decision(step=NextStep.HOLD)
_CONFIRM = Decision(step=NextStep.CONFIRM)
_WINDOW_PASSED = Decision(step=NextStep.PARK, window_passed=True)
_SAYS_NO_MORE = frozenset(
    {
        FailureClass.TRANSIENT,
        FailureClass.THROTTLED,
        FailureClass.CREDENTIAL,
        FailureClass.MULTIPART_LOST,
    }
)
"""Where the verify sequence failed with these, it hasn't told whose fault the refusal is."""


def decide(  # noqa: PLR0911 - one for each way to go on
    facts: FailureFacts, *, policy: UploadPolicy, uniform: Callable[[float, float], float]
) -> Decision:
    """The next step. `uniform` draws the jitter."""
    if facts.confirmation is Confirmation.FAILED and facts.kind not in _SAYS_NO_MORE:
        return _HOLD if facts.kind is FailureClass.FATAL else _hold(facts, policy=policy)
    match facts.kind:
        case FailureClass.FILE | FailureClass.PRECONDITION | FailureClass.DIGEST:
            # a digest that failed comes here only after the file was read again MAX_REREADS times
            return _PARK
        case FailureClass.REFUSED:
            return _PARK if facts.confirmation is Confirmation.PASSED else _CONFIRM
        case FailureClass.HOLD | FailureClass.REGION | FailureClass.UNSUPPORTED:
            return _hold(facts, policy=policy)
        case FailureClass.CREDENTIAL:
            return _hold(facts, policy=policy) if facts.fresh_credential else Decision(step=NextStep.REFRESH_CREDENTIAL)
        case FailureClass.FATAL:
            return _denied(facts, policy=policy, uniform=uniform)
        case _:
            return _wait(facts, policy=policy, uniform=uniform)


def _hold(facts: FailureFacts, *, policy: UploadPolicy) -> Decision:
    """Hold the destination, but not again and again for a recording whose time is over."""
    if 0 < facts.failing_for >= window_end(0.0, window=policy.retry_window):
        return _WINDOW_PASSED
    return _HOLD


def _denied(facts: FailureFacts, *, policy: UploadPolicy, uniform: Callable[[float, float], float]) -> Decision:
    """A denial must last: the destination is held for it, or, where it denies this one alone, that is tried again."""
    grace = policy.grace(facts.product)
    if not facts.to_store:
        return _wait(facts, policy=policy, uniform=uniform)
    if policy.fatal_error_policy is FatalErrorPolicy.DELETE and facts.proven and not grace:
        return Decision(step=NextStep.DELETE)
    if facts.confirmation is Confirmation.PENDING:
        return Decision(step=NextStep.CONFIRM)
    if facts.confirmation is Confirmation.FAILED:
        return _HOLD
    left = window_end(0.0, window=grace, recovered_at=facts.recovered_at) - facts.failing_for
    if left <= 0 and (not grace or facts.failures >= LEAST_DENIED):  # that it was not tried for a while is no evidence
        return _PARK
    delay = full_jitter(facts.failures, uniform=uniform)
    return Decision(step=NextStep.WAIT, delay=min(delay, left) if left > 0 else delay)


def _wait(facts: FailureFacts, *, policy: UploadPolicy, uniform: Callable[[float, float], float]) -> Decision:
    left = window_end(0.0, window=policy.retry_window, recovered_at=facts.recovered_at) - facts.failing_for
    if left <= 0:
        return _WINDOW_PASSED
    # the last try of a window is made at its end, not one backoff after it
    delay = min(full_jitter(facts.failures, uniform=uniform), left)
    return Decision(step=NextStep.WAIT, delay=max(delay, facts.retry_after or 0.0))
