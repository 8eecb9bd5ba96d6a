"""Who calls the internal API, and which accounts they may ask for."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from recording_storage.store.database.engine import Database
from recording_storage.store.database.models import Account, Binding
from recording_storage.store.internal.kube_identity import (
    ReviewUnavailableError,
    ServiceAccount,
    TokenRefusedError,
    TokenReviewer,
)
from recording_storage.store.internal.metrics import REVIEWS
from recording_storage.store.internal.problems import ProblemError, unauthorized, unavailable
from recording_storage.store.tokens import find_token, is_ours, token_hash

logger = logging.getLogger(__name__)

ACCEPTED_SECONDS = 5.0
"""How long a review is believed: an uploader that is busy costs one in that time. The API server itself believes a
token for ten seconds more, so a pod that was deleted has lost its access after fifteen."""
REFUSED_SECONDS = 2.0
MAX_REMEMBERED = 10_000
MAX_TOKEN = 16 * 1024


@dataclass(frozen=True)
class Caller:
    operator: bool = False
    admin: bool = False
    """An admin token: as an uploader it may ask for any account, by name."""
    account_sid: str | None = None
    """Of a token that the store made for one account."""
    service_account: ServiceAccount | None = None

    @property
    def namespace(self) -> str:
        return self.service_account.namespace if self.service_account else ""

    @property
    def namespace_uid(self) -> str:
        return self.service_account.namespace_uid if self.service_account else ""

    @property
    def pod(self) -> str:
        return self.service_account.pod if self.service_account else ""

    @property
    def pod_uid(self) -> str:
        return self.service_account.pod_uid if self.service_account else ""

    @property
    def label(self) -> str:
        """For the log."""
        if self.service_account is not None:
            return f"{self.namespace}/{self.pod or self.service_account.name}"
        return "admin" if self.admin else self.account_sid or "-"

    def require_operator(self) -> None:
        """Raise ProblemError unless the operator's paths are open to the caller."""
        if not self.operator:
            raise ProblemError(
                403, "forbidden", "this is for the operator: an admin token, or its service account, is needed"
            )

    def require_uploader(self) -> None:
        """Raise ProblemError unless the caller can be an uploader: a service account's token must be of a pod."""
        if self.service_account is not None and not self.service_account.pod:
            raise unauthorized("the token is bound to no pod; use one from a projected volume of the uploader's pod")


class Authenticator:
    """Recognizes bearer tokens. Reviews are remembered for seconds, under the token's hash, never the token."""

    def __init__(
        self,
        database: Database,
        reviewer: TokenReviewer,
        *,
        operator_service_account: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`operator_service_account` is NAMESPACE:NAME, or empty."""
        self._database = database
        self._reviewer = reviewer
        self._operator = operator_service_account
        self._clock = clock
        self._remembered: OrderedDict[str, tuple[float, ServiceAccount | str]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[ServiceAccount | str]] = {}
        """Reviews under way: requests that an uploader sends at once share one."""

    async def identify(self, authorization: str) -> Caller:
        """Read an Authorization header. Raises ProblemError (401, 503)."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN or not token.isascii():
            raise unauthorized("send Authorization: Bearer TOKEN")
        if is_ours(token):
            return await run_in_threadpool(self._own, token)
        account = await self._reviewed(token)
        return Caller(operator=f"{account.namespace}:{account.name}" == self._operator, service_account=account)

    async def close(self) -> None:
        await self._reviewer.close()

    def _own(self, token: str) -> Caller:
        with self._database.read() as session:
            owner = find_token(session, token)
        if owner is None:
            raise unauthorized("the store has made no such token, or it was withdrawn")
        admin = owner.account_sid is None
        return Caller(operator=admin, admin=admin, account_sid=owner.account_sid)

    async def _reviewed(self, token: str) -> ServiceAccount:
        key = token_hash(token)
        until, found = self._remembered.get(key, (0.0, ""))
        if until <= self._clock():
            asking = self._asking.get(key)
            if asking is None:
                asking = self._asking[key] = asyncio.create_task(self._ask(token))
                asking.add_done_callback(lambda _: self._asking.pop(key, None))
            # Shielded: whoever hangs up must not take the answer from the others.
            found = await asyncio.shield(asking)
            self._remember(key, found)
        if isinstance(found, str):
            raise unauthorized(found)
        return found

    async def _ask(self, token: str) -> ServiceAccount | str:
        """Whose it is, or why it is refused. Raises ProblemError (503)."""
        try:
            found = await self._reviewer.review(token)
        except TokenRefusedError as error:
            REVIEWS.labels(result="refused").inc()
            return str(error)
        except ReviewUnavailableError as error:
            REVIEWS.labels(result="unavailable").inc()
            # Anybody may send a token: what is wrong with our cluster is for the log.
            logger.warning("a service account's token can't be checked: %s", error)
            raise unavailable(
                "the store can't check the token with its cluster at the moment (its log says why); try again"
            ) from None
        REVIEWS.labels(result="accepted").inc()
        return found

    def _remember(self, key: str, found: ServiceAccount | str) -> None:
        seconds = ACCEPTED_SECONDS if isinstance(found, ServiceAccount) else REFUSED_SECONDS
        self._remembered[key] = (self._clock() + seconds, found)
        self._remembered.move_to_end(key)
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


def permitted(session: Session, caller: Caller, wanted: Collection[str]) -> frozenset[str]:
    """Those of the wanted accounts that the caller may act for: active, and its own or bound to its namespace."""
    return frozenset(session.scalars(_accounts(caller).where(Account.sid.in_(list(wanted))))) if wanted else frozenset()


def all_permitted(session: Session, caller: Caller) -> frozenset[str]:
    """Every account that the caller may act for; an admin has to name them."""
    return frozenset() if caller.admin else frozenset(session.scalars(_accounts(caller)))


def require_permitted(session: Session, caller: Caller, account_sid: str) -> None:
    """Raise ProblemError (403), the same whether the account exists or not."""
    if not permitted(session, caller, [account_sid]):
        raise ProblemError(403, "not_bound", "the account is not bound to the caller's namespace, or not the token's")


def _accounts(caller: Caller) -> sa.Select[str]:
    query = sa.select(Account.sid).where(Account.status == "active")
    if caller.admin:
        return query
    if caller.account_sid is not None:
        return query.where(Account.sid == caller.account_sid)
    return query.join(Binding, Binding.account_sid == Account.sid).where(Binding.namespace_uid == caller.namespace_uid)
