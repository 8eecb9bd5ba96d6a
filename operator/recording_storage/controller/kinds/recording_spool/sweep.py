"""What becomes of a place that the store has heard of: which RecordingSpools are made, and what goes at the store."""

from enum import StrEnum


class Step(StrEnum):
    KEEP = "keep"
    MAKE = "make"
    """A RecordingSpool is missing for it."""
    REMOVE = "remove"
    """Nothing in the cluster stands for it any more."""


def step_for(*, namespace: bool, claim: bool, declared: bool, heard: bool, newest: bool) -> Step:
    """Decide it for one place.

    Args:
        namespace: the very namespace is still there, not only its name.
        claim: the claim is.
        declared: there is a RecordingSpool for the folder, declared or made.
        heard: its uploader has been heard of lately.
        newest: it counts in that folder, and no spool of another id.
    """
    if not namespace or not claim or not (newest or heard):
        return Step.REMOVE
    if declared or not newest:
        return Step.KEEP
    return Step.MAKE if heard else Step.REMOVE
