"""Reads what Secrets and ConfigMaps hold; values stay in memory and out of every message."""

import base64
from dataclasses import dataclass, field

from recording_storage.controller.cluster.kube import Kube, config_map_path, secret_path
from recording_storage.controller.cluster.refusals import found
from recording_storage.controller.stores.public import ApiKey
from recording_storage.domain.sids import SidPrefix, is_sid


@dataclass(frozen=True, kw_only=True)
class SecretContent:
    """A Secret, or that there is none."""

    found: bool
    uid: str = ""
    controller: str = ""
    """UID of the object that it belongs to by an owner reference: the garbage collector removes it after that one."""
    annotations: dict[str, str] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict, repr=False)


async def read_secret(kube: Kube, *, namespace: str, name: str) -> SecretContent:
    """Raises Transient or KubeError-made verdicts; a missing Secret is no error."""
    document = await found(kube, secret_path(namespace, name), what=f"Secret {namespace}/{name}")
    if document is None:
        return SecretContent(found=False)
    data = {key: base64.b64decode(value) for key, value in (document.get("data") or {}).items()}
    meta = document["metadata"]
    controllers = [each["uid"] for each in meta.get("ownerReferences", ()) if each.get("controller")]
    return SecretContent(
        found=True,
        uid=meta["uid"],
        controller=next(iter(controllers), ""),  # the API server sees to it that there is one at most
        annotations=meta.get("annotations") or {},
        data=data,
    )


async def read_config_map(kube: Kube, *, namespace: str, name: str) -> dict[str, str] | None:
    """The `data` of a ConfigMap; None if there is none."""
    document = await found(kube, config_map_path(namespace, name), what=f"ConfigMap {namespace}/{name}")
    return None if document is None else dict(document.get("data") or {})


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of a Secret, or why it can't be used."""

    text: str = field(default="", repr=False)
    problem: str = ""


def value_of(content: SecretContent, key: str, *, where: str) -> Value:  # noqa: PLR0911 - one for each fault
    """The value as text. Missing, empty and surrounded by white space are told apart: each is mended differently."""
    if key not in content.data:
        present = ", ".join(sorted(content.data)) or "none"
        return Value(problem=f"{where} has no key {key!r} (it has: {present})")
    try:
        text = content.data[key].decode()
    except UnicodeDecodeError:
        return Value(problem=f"{where}: the value of {key!r} is not text")
    if not text:
        return Value(problem=f"{where}: the value of {key!r} is empty")
    if not text.strip():
        return Value(problem=f"{where}: the value of {key!r} is nothing but white space")
    if text != text.strip():
        kind = "a line break" if text.strip() == text.strip("\r\n") else "white space"
        return Value(
            problem=f"{where}: the value of {key!r} begins or ends with {kind}: write it without (printf, not echo)"
        )
    if any(char.isspace() for char in text):
        return Value(problem=f"{where}: the value of {key!r} has white space in it")
    return Value(text=text)


def api_key_of(content: SecretContent, *, where: str, auth_token: bool) -> tuple[ApiKey | None, str]:
    """The key of a kubernetes.io/basic-auth Secret, or why it can't be used.

    Args:
        content: of the Secret.
        where: the Secret, for people.
        auth_token: the account's own sid and auth token will do, too.
    """
    user, password = value_of(content, "username", where=where), value_of(content, "password", where=where)
    for each in (user, password):
        if each.problem:
            return None, each.problem
    if is_sid(user.text, SidPrefix.API_KEY) or (auth_token and is_sid(user.text, SidPrefix.ACCOUNT)):
        return ApiKey(user.text, password.text), ""
    wanted = "the sid of an API key (SK and 32 digits 0-9a-f), with the key's secret as 'password'"
    if auth_token:
        wanted += ", or the account's own sid (AC…), with its auth token"
    return None, f"{where}: the value of 'username' must be {wanted}"
