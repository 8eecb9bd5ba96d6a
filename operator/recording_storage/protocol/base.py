"""What all messages share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

PROTOCOL_VERSION = "1.0"

Sid = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[0-9a-f]{32}$")]
SpoolId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class Message(BaseModel):
    """Immutable; unknown fields of a newer peer are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Problem(Message):
    """The body of every answer that is no success."""

    status: int
    code: str
    """Stable, for programs: `unauthorized`, `not_bound`, `not_found`, `conflict`, `invalid`, `unavailable`."""
    message: str
    """For people: what is wrong and what to do."""
