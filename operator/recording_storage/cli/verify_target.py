"""What `recording-storage verify` looks at, read from the configuration of an uploader that runs alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from recording_storage.domain.bucket_url import named_endpoint, parse_bucket_url
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.types import Credential, Destination


class ConfigError(ValueError):
    """The configuration can't be read; one line that names the file and the place in it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the verify sequence needs."""

    destination: Destination
    credential: Credential
    guard: AddressGuard


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=False, hide_input_in_errors=True)


class _Destination(_Model):
    model_config = ConfigDict(extra="forbid")

    url: str
    region: str = ""
    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr | None = None
    ca_file: Path | None = None


class _Policy(_Model):
    """What of the policy has to do with the bucket; the uploader reads the rest."""

    storage_class: str = ""
    tags: Annotated[dict[str, str], Field(max_length=10)] = {}


class _Config(_Model):
    destination: _Destination
    allow_http: bool = False
    policy: _Policy = _Policy()


def from_config(path: Path) -> Target:
    """The destination of an uploader that runs alone; its endpoint is allowed, since the file's writer decides that.

    Raises:
        ConfigError: the file is no such configuration.
        BucketUrlError: its URL can't be used.
    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        config = _Config.model_validate(document if document is not None else {})
        ca_file = config.destination.ca_file
        ca_bundle = (path.parent / ca_file).read_text(encoding="ascii") if ca_file else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {where or 'the document'}: {first['msg']}") from error
    wanted = config.destination
    endpoint = named_endpoint(wanted.url)
    allowed = [endpoint] if endpoint else []
    location = parse_bucket_url(
        wanted.url, region=wanted.region, allowed_endpoints=allowed, allow_http=config.allow_http
    )
    return Target(
        destination=Destination(
            location, ca_bundle=ca_bundle, storage_class=config.policy.storage_class, tags=config.policy.tags
        ),
        credential=Credential(
            wanted.access_key_id,
            wanted.secret_access_key.get_secret_value(),
            wanted.session_token.get_secret_value() if wanted.session_token else None,
        ),
        guard=AddressGuard(allowed),
    )
