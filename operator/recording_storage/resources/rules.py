"""CEL rules: what a schema alone can't say, each with the message that a person reads who has broken it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, JsonValue
from pydantic_core import PydanticCustomError, core_schema

from recording_storage.domain.durations import parse_duration

JsonObject = dict[str, JsonValue]

VALIDATIONS = "x-kubernetes-validations"


class Reason(StrEnum):
    """How the API server classes a broken rule (`reason` of the cause that a client gets)."""

    INVALID = "FieldValueInvalid"
    FORBIDDEN = "FieldValueForbidden"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"


def rule(
    expression: str,
    *,
    message: str,
    reason: Reason = Reason.INVALID,
    field_path: str = "",
    optional_old_self: bool = False,
) -> JsonObject:
    """One rule.

    Args:
        expression: CEL that is true when all is well.
        message: for who has broken it.
        reason: how the API server classes it.
        field_path: `.url` moves the error there.
        optional_old_self: `oldSelf` is an optional, without a value at the creation: for what is only asked then.
    """
    entry: JsonObject = {"rule": expression, "message": message, "reason": reason.value}
    if field_path:
        entry["fieldPath"] = field_path
    if optional_old_self:
        entry["optionalOldSelf"] = True
    return entry


def rules(*entries: JsonObject) -> JsonObject:
    """For `json_schema_extra`, of a model or of a field."""
    return {VALIDATIONS: list(entries)}


def immutable(what: str, *, remedy: str) -> JsonObject:
    """A value that stays as it was created."""
    return rule("self == oldSelf", message=f"{what} is immutable: {remedy}", reason=Reason.FORBIDDEN)


def union(members: Mapping[str, str | None]) -> list[JsonObject]:
    """Rules of a union: the member that `type` names is there, the others are not.

    Args:
        members: By value of `type`: the field that goes with it, or None where that type needs none.
    """
    entries: list[JsonObject] = []
    for value, member in members.items():
        if member is None:
            continue
        entries.append(
            rule(
                f"self.type != '{value}' || has(self.{member})",
                message=f"{member} is required when type is {value}",
                reason=Reason.REQUIRED,
                field_path=f".{member}",
            )
        )
        entries.append(
            rule(
                f"self.type == '{value}' || !has(self.{member})",
                message=f"{member} may only be given when type is {value}",
                reason=Reason.FORBIDDEN,
                field_path=f".{member}",
            )
        )
    return entries


_DURATION = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
_WITH_USER = "^([A-Za-z0-9+.-]+://)?[^/?#]*@"


@dataclass(frozen=True)
class Between:
    """Form and bounds of a duration such as `2h`, for the API server and for the model.

    As one rule, since a pattern beside it would make two messages.
    """

    shortest: str
    longest: str

    @property
    def message(self) -> str:
        return f"must be a duration from {self.shortest} to {self.longest} (hours, minutes, seconds), such as 1h30m"

    @property
    def rules(self) -> JsonObject:
        bounds = f"duration(self) >= duration('{self.shortest}') && duration(self) <= duration('{self.longest}')"
        return rules(rule(f"self.matches('{_DURATION}') && {bounds}", message=self.message))

    def checked(self, value: str) -> str:
        """As a validator; the value is in no message of it. Raises PydanticCustomError."""
        try:
            fits = parse_duration(self.shortest) <= parse_duration(value) <= parse_duration(self.longest)
        except ValueError:
            fits = False
        if not fits:
            raise PydanticCustomError("duration", "{message}", {"message": self.message})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | self.rules


def http_url() -> list[JsonObject]:
    """Rules of a URL that may be empty. Names and passwords have their place in a Secret, never in a URL.

    The API server repeats a value that is Invalid, but not one that is Forbidden: a password is only ever the latter.
    """
    return [
        rule(
            f"self == '' || self.matches('{_WITH_USER}') || self.matches('^https?://[^/?#]')",
            message="must be a URL that begins with https:// (or http://, where the store's operator allows it)",
        ),
        rule(
            f"!self.matches('{_WITH_USER}')",
            message="must not contain a user name or password",
            reason=Reason.FORBIDDEN,
        ),
    ]
