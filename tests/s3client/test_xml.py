"""Documents are read without what makes XML dangerous."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording_storage.s3 import xml


@pytest.mark.parametrize(
    "document",
    [
        b"<Error><Code>X</Code><Message>m &amp; n</Message></Error>",
        b'<?xml version="1.0"?>\n<Error xmlns="http://s3/"><Code> X </Code><Message>m &amp; n</Message></Error>',
        b"<ErrorResponse><Error><Code>X</Code><Message>m &amp; n</Message></Error></ErrorResponse>",
        b'<s3:Error xmlns:s3="http://s3/"><s3:Code>X</s3:Code><s3:Message>m &amp; n</s3:Message></s3:Error>',
        b"   \n<Error><Code>X</Code><Message>m &amp; n</Message></Error>",
    ],
)
def test_both_forms_of_an_error_are_read(document):
    found = xml.error_of(xml.parse(document))
    assert found is not None
    assert (found.value("Code"), found.value("Message"), found.value("Nothing")) == ("X", "m & n", "")


def test_a_document_that_is_no_error_is_none():
    assert xml.error_of(xml.parse(b"<ListPartsResult/>")) is None


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not found",
        b"<html><body>",
        b"<Error><Code>X</Error>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Error><Code>&b;</Code></Error>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><Error/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><Error/>'.encode("utf-16"),
        b"<a>" * 100 + b"</a>" * 100,
        b"<Error>&unknown;</Error>",
    ],
)
def test_what_is_dangerous_or_broken_is_refused(document):
    with pytest.raises(xml.DocumentError):
        xml.parse(document)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=50))
def test_escaped_text_comes_back(text):
    assert xml.parse(f"<a>{xml.escaped(text)}</a>".encode()).text == text


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_the_one_error(document):
    with contextlib.suppress(xml.DocumentError):
        xml.parse(document)
