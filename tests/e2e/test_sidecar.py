"""A recorder's pod with the uploader as a native sidecar, alone with a configuration file."""

import re
import statistics
from collections import Counter

import pytest

from tests.e2e import pods
from tests.e2e.pods import Site
from tests.tools.cache import tell
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PART = re.compile(r"PUT [^?]*\?partNumber=(\d+)&uploadId=(\S+)")
IN_FLIGHT = 5
"""Parts of one recording that are sent at once, at most."""
STARTS = 10
MEMORY = 70_000_000
"""Bytes of its own that a sidecar may have at rest."""


def parts(site: Site) -> Counter[int]:
    """How often each part was sent, of the upload with most of them: a bucket is tried by an upload, too."""
    found = [match.groups() for request in list(site.gate.requests) if (match := PART.match(request))]
    uploads = Counter(upload for _, upload in found).most_common(1)
    return Counter(int(number) for number, upload in found if upload == uploads[0][0])


def test_a_recording_that_a_pod_writes_arrives_in_the_bucket(site: Site) -> None:
    pods.start(site, pods.pod("recorder", recorder=pods.recording("call.wav", mebibytes=1)))

    (key,) = eventually(site.bucket.keys, what="the recording is in the bucket")
    assert site.bucket.read(key) == pods.recorded(mebibytes=1)
    eventually(lambda: not (site.volume / "call.wav").exists(), what="its file is gone")
    assert pods.restarts(site, "recorder") == 0
    pods.end(site, "recorder")


def test_what_a_deleted_pod_was_sending_the_next_one_finishes(site: Site) -> None:
    """Only the parts in flight are sent twice."""
    site.gate.bandwidth = 24 * 2**20
    pods.start(site, pods.pod("first", recorder=pods.recording("call.wav", mebibytes=128)))
    eventually(lambda: len(parts(site)) > IN_FLIGHT, what="some parts are there, and others under way")
    site.gate.bandwidth = 2**20  # a busy machine ends a pod so late that all of it would have gone
    pods.end(site, "first")
    sent = parts(site)
    assert not site.bucket.keys()
    assert (site.volume / "call.wav").exists()
    site.gate.bandwidth = None

    pods.start(site, pods.pod("second", recorder=pods.WAIT))

    (key,) = eventually(site.bucket.keys, what="the recording is in the bucket")
    assert site.bucket.read(key) == pods.recorded(mebibytes=128)
    again = parts(site)
    assert set(again.values()) <= {1, 2}
    twice = {number for number, times in again.items() if times == 2}
    assert twice <= set(sent)
    assert len(twice) <= IN_FLIGHT
    assert len(sent) < len(again)
    assert site.bucket.uploads() == []
    pods.end(site, "second")


def test_what_a_sidecar_costs_is_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    seconds, memory = [], []
    for number in range(STARTS):
        (site.volume / f"call-{number}.wav").write_bytes(b"RIFF")
        (site.volume / f"call-{number}.wav.done").touch()
        site.gate.first = None
        name = f"recorder-{number}"
        pods.start(site, pods.pod(name, recorder=pods.WAIT))
        eventually(lambda n=number: len(site.bucket.keys()) > n, what="the recording is in the bucket")
        pid = pods.first_process(site, name)
        assert site.gate.first is not None
        seconds.append(site.gate.first - pods.started_at(pid))
        memory.append(pods.anonymous_memory(pid))
        pods.end(site, name)
    with capsys.disabled():
        spread = f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
        tell(f"sidecar: {spread} from start to first request, {max(memory) / 1e6:.0f} MB after a small recording")
    assert max(memory) < MEMORY
