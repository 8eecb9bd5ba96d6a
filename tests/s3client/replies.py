"""What the tests of faults and of requests share: answers, and how a failure must be."""

from contextlib import contextmanager

import pytest

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.s3.types import Part
from tests.s3client.fake_server import answer

K = FailureClass


OK = answer(200, ETag='"e"')


COMPLETED = answer(200, b'<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>')


PARTS = [Part(1, 5, "e", "")]


@contextmanager
def fails(kind, code="", *, uncertain=None):
    with pytest.raises(S3Failure) as caught:
        yield caught
    failure = caught.value
    assert failure.kind is kind, failure
    assert not code or failure.code == code
    assert failure.operation
    if uncertain is not None:
        assert failure.uncertain is uncertain


def replies(*each):
    left = list(each)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]
