"""The customer's side of the demo: a bucket, and a user with the rights that the feature documents and no others."""

import json
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from recording_storage.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"


@dataclass(frozen=True)
class Keys:
    access_key_id: str
    secret_access_key: str = field(repr=False)


def least_rights(bucket: str, prefix: str) -> str:
    """The policy that docs/rights.md documents, as JSON."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Deny", "NotAction": "*", "Resource": "*"},
                {
                    "Effect": "Allow",
                    "Action": ["s3:ListBucketMultipartUploads"],
                    "Resource": [f"arn:aws:s3:::{bucket}"],
                },
                {
                    "Effect": "Allow",
                    "Action": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                    "Resource": [f"arn:aws:s3:::{bucket}/{prefix}*"],
                },
            ],
        }
    )


def free_port(preferred: int) -> int:
    """`preferred` if nobody has it, else one that the kernel picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("no free port on 127.0.0.1")


class Customer:
    """Talks to the demo's S3 and IAM as its administrator."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._admin = Keys("admin", "not-enforced-yet")

    def wait_ready(self, *, deadline: float, alive: "Callable[[], None]") -> None:
        """Until it answers; `alive` is called between tries and raises when the server's process has ended."""
        while time.monotonic() < deadline:
            alive()
            try:
                urllib.request.urlopen(f"{self._endpoint}/moto-api/", timeout=2).close()  # noqa: S310 - loopback
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
            else:
                return
        raise DemoError("the S3 server did not answer in time; see its log in the demo's folder")

    def prepare(self, *, bucket: str, prefix: str) -> Keys:
        """Make the bucket, an administrator and the uploading user; from then on rights are enforced."""
        iam: IAMClient = boto3.client("iam", **self._connection())
        iam.create_user(UserName="administrator")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="administrator", PolicyName="all", PolicyDocument=json.dumps(everything))
        administrator = iam.create_access_key(UserName="administrator")["AccessKey"]
        iam.create_user(UserName="recordings")
        iam.put_user_policy(
            UserName="recordings", PolicyName="least-rights", PolicyDocument=least_rights(bucket, prefix)
        )
        uploader = iam.create_access_key(UserName="recordings")["AccessKey"]
        self.s3().create_bucket(Bucket=bucket)
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self._endpoint}/moto-api/reset-auth",
            data=b"0",
            headers={"Content-Type": "text/plain"},
            method="POST",
        )
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - loopback
        self._admin = Keys(administrator["AccessKeyId"], administrator["SecretAccessKey"])
        return Keys(uploader["AccessKeyId"], uploader["SecretAccessKey"])

    def s3(self) -> "S3Client":
        """With all rights."""
        client: S3Client = boto3.client("s3", **self._connection())
        return client

    def _connection(self) -> dict[str, Any]:
        return {
            "endpoint_url": self._endpoint,
            "region_name": REGION,
            "aws_access_key_id": self._admin.access_key_id,
            "aws_secret_access_key": self._admin.secret_access_key,
            "config": Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        }


def port_of(url: str) -> int:
    """The port that the sample's URL names."""
    port = urlsplit(url).port
    if port is None:
        raise DemoError(f"the sample's bucket URL {url!r} names no port")
    return port
