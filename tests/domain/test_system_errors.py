"""What the system says reaches a person in words, however many libraries have wrapped it."""

import errno
import os
import re
import socket
import ssl
from pathlib import Path

import pytest

from recording_storage.domain.system_errors import _WORDS, plain_reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)"), "nobody listens there"),
        (FileExistsError(errno.EEXIST, "File exists"), "there already"),
        (OSError(errno.EMFILE, "x"), os.strerror(errno.EMFILE)),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the host's name is not found"),
        (TimeoutError(), "no answer in time"),
        (ssl.SSLError(1, "x"), "TLS fails"),
        (ValueError("it makes no sense"), "it makes no sense"),
        (ValueError(), "ValueError"),
    ],
)
def test_each_has_words(error: Exception, words: str) -> None:
    assert words in plain_reason(error)


def test_the_innermost_error_counts() -> None:
    def wrapped() -> None:
        try:
            Path("/no/such/file").read_bytes()
        except OSError as error:
            raise RuntimeError("the library's own words: [Errno 2]") from error

    with pytest.raises(RuntimeError) as raised:
        wrapped()
    assert plain_reason(raised.value) == "it does not exist"


def test_no_words_have_numbers() -> None:
    assert not any(re.search(r"Errno|\d", words) for words in _WORDS.values())
