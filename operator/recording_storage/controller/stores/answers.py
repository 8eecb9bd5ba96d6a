"""What the public API answers, checked: not every server that says 200 is a settings store.

A foreign one (a gateway's welcome page, another application on that address) must be noticed before anything is sent to
it; a field that is missing or of another kind ends here, and nowhere in the midst of a decision.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from pydantic import TypeAdapter, ValidationError

from recording_storage.domain.conditions import shorten
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.domain.sids import SidPrefix, is_sid

_SETTINGS = TypeAdapter(StoreSettings)
_LONGEST_NAME = 1024
"""Characters of a friendly name; more is nothing that a store has."""
_LONGEST_CODE = 32
_REQUIRED = ("account_sid", "aws_storage_enabled", "encryption_enabled")
"""What tells an answer with settings from any other; each may be null but not absent."""


class AnswerError(ValueError):
    """An answer that no settings store gives; the message names the field, never its value."""


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    account_sid: str
    values: StoreSettings


@dataclass(frozen=True)
class StoredItem:
    """A credential or a public key, as the store lists it."""

    sid: str
    friendly_name: str


@dataclass(frozen=True, kw_only=True)
class Page:
    items: tuple[StoredItem, ...]
    following: str
    """Query of the next one; empty: this was the last."""


def read_document(content: bytes) -> dict[str, Any]:
    """A JSON object. Raises AnswerError."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise AnswerError("it is no JSON object")
    return body


def read_settings(body: Mapping[str, Any]) -> AccountSettings:
    """Settings; null is the same as unset. Raises AnswerError."""
    for name in _REQUIRED:
        if name not in body:
            raise AnswerError(f"{name} is missing")
    account_sid = _sid(body, "account_sid", SidPrefix.ACCOUNT)
    values = {name: value for name, value in body.items() if value is not None}
    try:
        if isinstance(values.get("tags"), str):
            values["tags"] = json.loads(values["tags"] or "{}")
        return AccountSettings(account_sid=account_sid, values=_SETTINGS.validate_python(values))
    except ValidationError as error:
        names = sorted({str(each["loc"][0]) for each in error.errors(include_input=False) if each["loc"]})
        raise AnswerError(f"{', '.join(names)}: not what this version understands") from None
    except (ValueError, RecursionError):
        raise AnswerError("tags: not what this version understands") from None


def read_sid(body: Mapping[str, Any]) -> str:
    """Sid of a credential or a public key. Raises AnswerError."""
    return _sid(body, "sid", SidPrefix.CREDENTIAL)


def read_page(body: Mapping[str, Any], *, collection: str, most: int) -> Page:
    """A page of a list.

    Args:
        body: of the answer.
        collection: its path.
        most: items that were asked for.

    Raises:
        AnswerError: it is none, has more items, or the next one is not of the same list.
    """
    meta = body.get("meta")
    if not isinstance(meta, dict):
        raise AnswerError("meta is missing")
    items = body.get(str(meta.get("key")))
    following = meta.get("next_page_url") or ""
    if not isinstance(items, list) or not isinstance(following, str):
        raise AnswerError("meta.key or meta.next_page_url is not as a list has it")
    if len(items) > most:
        raise AnswerError(f"a page has more than the {most} items that were asked for")
    return Page(items=tuple(read_item(each) for each in items), following=_following(following, collection))


def _following(url: str, collection: str) -> str:
    """Its query alone is of use: a store behind a proxy may know neither its own host nor what its paths begin with."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if not parts.path.endswith(collection) or not parts.query:
        raise AnswerError("meta.next_page_url is no page of the same list")
    return parts.query


def read_item(value: object) -> StoredItem:
    """One item, as it stands in a list. Raises AnswerError."""
    if not isinstance(value, dict):
        raise AnswerError("an item is no JSON object")
    name = value.get("friendly_name") or ""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        raise AnswerError("an item's friendly_name is no name")
    return StoredItem(sid=read_sid(value), friendly_name=name)


def _sid(body: Mapping[str, Any], name: str, prefix: SidPrefix) -> str:
    sid = body.get(name)
    if not isinstance(sid, str) or not is_sid(sid, prefix):
        raise AnswerError(f"{name} is missing or no sid ({prefix}…)")
    return sid


def refusal(content: bytes, *, sent: Iterable[str]) -> tuple[str, str]:
    """The API's own code and words for why it says no, one line each; both empty where it is somebody else's answer.

    Args:
        content: of the answer.
        sent: secrets that the request held: a server may repeat what it was sent, and its words go to status and log.
    """
    try:
        body = read_document(content)
    except AnswerError:
        return "", ""
    secrets = sorted({form for each in sent for form in _forms(each)}, key=len, reverse=True)

    def told(name: str) -> str:
        words = str(body.get(name, ""))
        for each in secrets:
            words = words.replace(each, "…")
        return shorten(words)

    return told("code")[:_LONGEST_CODE], told("message")


def _forms(secret: str) -> set[str]:
    """As it is, as it stands in a form, and as a header of basic authentication has it."""
    plain = {secret, secret.partition(":")[2]}
    coded = {quote_plus(each) for each in plain} | {quote(each, safe="") for each in plain}
    return {each for each in (*plain, *coded, b64encode(secret.encode()).decode()) if each}
