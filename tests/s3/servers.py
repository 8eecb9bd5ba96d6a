"""What tests know of an S3 server, whichever it is."""

import abc
import functools
import itertools
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import boto3
from botocore.config import Config

REGION = "us-east-1"
_numbers = itertools.count(1)
_one_at_a_time = threading.Lock()


@functools.cache
def _session() -> Any:  # its overloads want the service as a literal
    """One for all clients: each reads the descriptions of the services, half a second of work."""
    return boto3.Session()


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class User:
    name: str
    credentials: Credentials


class S3Server(abc.ABC):
    """A server with buckets, and users whose policies it enforces. Raises botocore's ClientError.

    Attributes:
        endpoint: URL without a path, always on loopback.
        ca_file: signs the server's certificate; None if it speaks plain http.
        root: credentials that may everything.
    """

    keeps_data: ClassVar[bool]  # over stop() and start(), and over kill()
    checks_integrity: ClassVar[bool]  # signatures, dates, checksums of bodies
    deactivates_keys: ClassVar[bool]

    endpoint: str
    iam_endpoint: str
    ca_file: Path | None = None
    root: Credentials
    region: str = REGION

    def client(self, credentials: Credentials, *, endpoint: str | None = None) -> Any:
        """A boto3 S3 client that neither retries nor adds checksums; `endpoint` may lead through a gate."""
        return self._boto("s3", credentials, endpoint or self.endpoint)

    def admin(self) -> Any:
        return self.client(self.root)

    def iam(self) -> Any:
        return self._boto("iam", self.root, self.iam_endpoint)

    def create_bucket(self, name: str | None = None) -> str:
        name = name or f"test-{os.getpid()}-{next(_numbers)}"
        self.admin().create_bucket(Bucket=name)
        return name

    def create_user(self, policy: Mapping[str, Any] | str, *, name: str | None = None) -> User:
        """A user with one access key and one policy, which applies at once."""
        name = name or f"user-{os.getpid()}-{next(_numbers)}"
        iam = self.iam()
        iam.create_user(UserName=name)
        self.set_policy(name, policy)
        return User(name, _credentials(iam.create_access_key(UserName=name)))

    def set_policy(self, user: str, policy: Mapping[str, Any] | str) -> None:
        document = policy if isinstance(policy, str) else json.dumps(policy)
        self.iam().put_user_policy(UserName=user, PolicyName="policy", PolicyDocument=document)

    def rotate_key(self, user: User) -> User:
        """A second key for the user; the first is valid until `delete_key`."""
        return User(user.name, _credentials(self.iam().create_access_key(UserName=user.name)))

    def delete_key(self, user: User) -> None:
        self.iam().delete_access_key(UserName=user.name, AccessKeyId=user.credentials.access_key)

    def deactivate_key(self, user: User, *, active: bool = False) -> None:
        """Where `deactivates_keys`."""
        self.iam().update_access_key(
            UserName=user.name,
            AccessKeyId=user.credentials.access_key,
            Status="Active" if active else "Inactive",
        )

    def delete_user(self, user: User) -> None:
        iam = self.iam()
        for key in iam.list_access_keys(UserName=user.name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=user.name, AccessKeyId=key["AccessKeyId"])
        for policy in iam.list_user_policies(UserName=user.name)["PolicyNames"]:
            iam.delete_user_policy(UserName=user.name, PolicyName=policy)
        iam.delete_user(UserName=user.name)

    @abc.abstractmethod
    def start(self) -> None:
        """Starts it, again on the same port after `stop()` or `kill()`; without effect while it runs."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Ends it in order; `start()` brings it back, with its data where `keeps_data`."""

    @abc.abstractmethod
    def kill(self) -> None:
        """SIGKILL."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends it for good and removes its files."""

    def _boto(self, service: str, credentials: Credentials, endpoint: str) -> Any:
        config = Config(
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            read_timeout=30,
            proxies={},
        )
        with _one_at_a_time:
            return _session().client(
                service,
                endpoint_url=endpoint,
                region_name=self.region,
                aws_access_key_id=credentials.access_key,
                aws_secret_access_key=credentials.secret_key,
                verify=str(self.ca_file) if self.ca_file else None,
                config=config,
            )


def least_rights(bucket: str, prefix: str) -> dict[str, Any]:
    """The policy that the documentation tells users to give, for objects whose keys begin with `prefix`."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "NotAction": "*", "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": "s3:ListBucketMultipartUploads",
                "Resource": f"arn:aws:s3:::{bucket}",
            },
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                "Resource": f"arn:aws:s3:::{bucket}/{prefix}*",
            },
        ],
    }


def everything() -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def _credentials(answer: Mapping[str, Any]) -> Credentials:
    key = answer["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])
