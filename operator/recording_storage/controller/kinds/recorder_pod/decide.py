"""Has a pod that asks for an uploader got one, and if not, why: what its author reads in the pod's events."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from recording_storage.controller.core.decision import Note
from recording_storage.domain.spool_spec import ignored_annotations, read_spool_spec

LABEL = "recordingstorage.dev/inject"
UPLOADER = "recording-storage-uploader"
_PREFIX = "recordingstorage.dev/"
_ENDED = frozenset({"Succeeded", "Failed"})

Pod = Mapping[str, Any]


class Reason(StrEnum):
    NOT_INJECTED = "NotInjected"
    """There is no uploader in it."""
    STRIPPED = "UploaderStripped"
    """It has one that is no sidecar any more."""
    ANNOTATION = "AnnotationNotUsed"
    """It has one, which does without what an annotation asks for."""


WITHOUT = (Reason.NOT_INJECTED, Reason.STRIPPED)
"""Nothing of such a pod's recordings is uploaded."""


def judge(pod: Pod) -> tuple[Note, ...]:
    """What there is to tell of it; nothing of one that has ended or is about to."""
    if pod["metadata"].get("deletionTimestamp") or pod.get("status", {}).get("phase") in _ENDED:
        return ()
    uploader = next((each for each in _containers(pod, "initContainers") if each["name"] == UPLOADER), None)
    if uploader is None:
        message = f"this pod has no uploader, and nothing of its recordings is uploaded: {_why_not(pod)}"
        return (Note(reason=Reason.NOT_INJECTED, message=message, warning=True),)
    if uploader.get("restartPolicy") != "Always":
        message = (
            "the init container of the uploader has lost its restartPolicy Always, so that the pod waits for its end: "
            "find the admission webhook or the older client that removes it, then create the pod anew"
        )
        return (Note(reason=Reason.STRIPPED, message=message, warning=True),)
    return tuple(Note(reason=Reason.ANNOTATION, message=each, warning=True) for each in _not_used(pod, uploader))


def claims_of(pod: Pod) -> frozenset[str]:
    """Where it records: the claim of the volume that it names; all of its claims where it names none of its own."""
    volumes = {
        each["name"]: claim["claimName"]
        for each in pod["spec"].get("volumes") or ()
        if (claim := each.get("persistentVolumeClaim"))
    }
    named = (pod["metadata"].get("annotations") or {}).get(f"{_PREFIX}spool-volume", "")
    return frozenset({volumes[named]} if named in volumes else volumes.values())


def _why_not(pod: Pod) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    volume = annotations.get(f"{_PREFIX}spool-volume", "")
    if not volume:
        return f"name its volume in the annotation {_PREFIX}spool-volume, and create it anew"
    found = next((each for each in pod["spec"].get("volumes") or () if each["name"] == volume), None)
    if found is None:
        return f"it has no volume {volume!r}, which the annotation {_PREFIX}spool-volume names; name one that it has"
    if "persistentVolumeClaim" not in found:
        return f"its volume {volume!r} is no persistentVolumeClaim; recordings need a claim to survive the pod"
    recorders = [each for each in _recorders(pod) if any(_mounts(each, volume))]
    if not recorders:
        return f"no container mounts its volume {volume!r}; have the recorder's do so"
    return _why_not_beside(recorders, pod=pod, volume=volume)


def _why_not_beside(recorders: Sequence[Mapping[str, Any]], *, pod: Pod, volume: str) -> str:
    if any(mount.get("subPathExpr") for each in recorders for mount in _mounts(each, volume)):
        return f"the volume {volume!r} is mounted by subPathExpr; use subPath"
    contexts = [each.get("securityContext") or {} for each in (*recorders, pod["spec"])]
    annotated = f"{_PREFIX}run-as" in (pod["metadata"].get("annotations") or {})
    if not annotated and not any("runAsUser" in context for context in contexts):
        return (
            f"nothing says as which user it records; set securityContext.runAsUser, or the annotation {_PREFIX}run-as, "
            "and create it anew"
        )
    return (
        "injection was not in force when it was created (injection.enabled of the chart, its ConfigMap, Kubernetes "
        "1.36 or later); mend that, then create the pod anew"
    )


def _mounts(container: Mapping[str, Any], volume: str) -> Iterator[Mapping[str, Any]]:
    return (mount for mount in container.get("volumeMounts") or () if mount["name"] == volume)


def _recorders(pod: Pod) -> Iterator[Mapping[str, Any]]:
    yield from _containers(pod, "containers")
    yield from (each for each in _containers(pod, "initContainers") if each.get("restartPolicy") == "Always")


def _containers(pod: Pod, field: str) -> Sequence[Mapping[str, Any]]:
    return pod["spec"].get(field) or ()


def _not_used(pod: Pod, uploader: Mapping[str, Any]) -> Iterator[str]:
    environment = {each["name"]: each.get("value", "") for each in uploader.get("env") or ()}
    ignored = ignored_annotations(environment)
    for name in ignored:
        yield f"the value of the annotation {name} can't be used, and it runs as if it were not there"
    text = (pod["metadata"].get("annotations") or {}).get(f"{_PREFIX}spool-spec", "")
    if f"{_PREFIX}spool-spec" not in ignored:
        for fault in read_spool_spec(text).faults:
            yield f"of the annotation {_PREFIX}spool-spec this is not used: {fault}"
