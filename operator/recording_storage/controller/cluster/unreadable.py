"""Objects that this version of the operator can't read: a newer definition has let values through that it doesn't know.

Their metadata and conditions can be read all the same, so they are told about and they can go.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from recording_storage.resources import Resource
from recording_storage.resources.common import AccountRef, Part, Status

_NAMED = 5  # faults that a message names


class UnreadSpec(Part):
    """The one thing of it that must be known: which account needs to stay for it."""

    account_ref: AccountRef | None = None


class Unread(Resource):
    """Stands in for an object of any kind."""

    spec: UnreadSpec = UnreadSpec()
    status: Status = Status()
    fault: str = ""
    """The fields that aren't understood, and what they may be; no value of theirs."""


def read(model: type[Resource], item: Mapping[str, Any]) -> Resource:
    """The object as `model`, else as `Unread`; of a status, the fields that aren't understood are dropped."""
    try:
        return model.parse(item)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
    if all(fault["loc"][:1] == ("status",) for fault in faults):
        try:
            return model.parse({**item, "status": _without(item["status"], faults)})
        except ValidationError as error:
            faults = error.errors(include_input=False, include_url=False)
    return _unread(item, [fault for fault in faults if fault["loc"][:1] != ("status",)] or faults)


def _without(status: object, faults: list[Any]) -> dict[str, Any]:
    names = {fault["loc"][1] for fault in faults if len(fault["loc"]) > 1}
    if not isinstance(status, Mapping):
        return {}
    return {name: value for name, value in status.items() if name not in names}


def _unread(item: Mapping[str, Any], faults: list[Any]) -> Unread:
    texts = [f"{'.'.join(str(each) for each in fault['loc'])}: {fault['msg']}" for fault in faults]
    named = "; ".join(texts[:_NAMED]) + ("; …" if len(texts) > _NAMED else "")
    parts = {"kind": item["kind"], "metadata": item["metadata"], "fault": named}
    spec, status = item.get("spec", {}), item.get("status", {})
    for more in ({"spec": spec, "status": status}, {"spec": spec}, {"status": status}):
        try:
            return Unread.parse(parts | more)
        except ValidationError:
            continue
    return Unread.parse(parts)
