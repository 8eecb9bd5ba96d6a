"""What the API server's refusal of a request means: who has to mend what, or whether it passes by itself."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from recording_storage.controller.cluster.kube import Document, Kube, KubeError, find
from recording_storage.controller.core.verdicts import NamespaceEnding, Stalled, Transient, Verdict

Judge = Callable[[KubeError, str], Verdict]

_POLICIES = ("AdmissionPolicy", "admission webhook", "violates PodSecurity")
"""Words of all that denies by rules of the cluster's own, whichever status it chooses for it."""


def api_trouble(error: KubeError, what: str) -> Verdict:
    """The verdict on a call that the API server refused or didn't get.

    Args:
        error: of the call.
        what: was to be read or written, for people.
    """
    return next(judge for holds, judge in _JUDGES if holds(error))(error, what)


async def found(kube: Kube, path: str, *, what: str, **options: Any) -> Document | None:
    """The object, or None where there is none; `options` are those of `Kube.get`. Raises verdicts."""
    try:
        return await find(kube, path, **options)
    except KubeError as error:
        raise api_trouble(error, what) from error


def is_refusal(error: KubeError) -> bool:
    """It was understood and refused: the same request would be refused again."""
    return error.denied or error.status in {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }


def _by_policy(error: KubeError, what: str) -> Verdict:
    return Stalled(
        "RefusedByPolicy",
        f"{what}: an admission policy or webhook of this cluster denies it: {error.message}. Change what it asks "
        "for, or have the policy except the operator; it is tried again by itself",
    )


def _over_quota(error: KubeError, what: str) -> Verdict:
    return Stalled(
        "QuotaExceeded",
        f"{what}: a quota of the namespace does not allow it: {error.message}. Raise it, or delete what is not needed; "
        "it is tried again by itself",
    )


def _ending(error: KubeError, what: str) -> Verdict:
    return NamespaceEnding(f"{what}: {error.message}")


def _without_right(error: KubeError, what: str) -> Verdict:
    message = f"{what}: {error.message}: give the operator this right (see its ClusterRole or Role)"
    return Transient("ForbiddenByCluster", message)


def _too_large(error: KubeError, what: str) -> Verdict:
    return Stalled("TooLargeForCluster", f"{what}: {error.message}: the API server takes no object of this size")


def _invalid(error: KubeError, what: str) -> Verdict:
    return Stalled(
        "RefusedByCluster",
        f"{what}: the API server does not take what this object makes of it: {error}. Correct the name, selector or "
        "value that it names",
    )


def _away(error: KubeError, what: str) -> Verdict:
    message = f"{what}: {error}; tried again by itself"
    return Transient("ApiServerUnavailable", message, retry_after=error.retry_after)


def _has(status: HTTPStatus, *words: str) -> Callable[[KubeError], bool]:
    return lambda error: error.status == status and (not words or any(word in error.message for word in words))


_JUDGES: tuple[tuple[Callable[[KubeError], bool], Judge], ...] = (
    (lambda error: is_refusal(error) and any(word in error.message for word in _POLICIES), _by_policy),
    (_has(HTTPStatus.FORBIDDEN, "exceeded quota", "failed quota:", "status unknown for quota"), _over_quota),
    (_has(HTTPStatus.FORBIDDEN, "is being terminated"), _ending),
    (_has(HTTPStatus.FORBIDDEN), _without_right),
    (_has(HTTPStatus.REQUEST_ENTITY_TOO_LARGE), _too_large),
    (_has(HTTPStatus.BAD_REQUEST), _invalid),
    (_has(HTTPStatus.UNPROCESSABLE_ENTITY), _invalid),
    (lambda _: True, _away),
)
"""The first that holds."""
