"""The sink answers as an S3 server that has done its work."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.s3.sink import Sink


def test_the_sink_takes_a_whole_upload_with_checksums() -> None:
    with Sink() as sink:
        client = boto3.Session().client(
            "s3",
            endpoint_url=sink.endpoint,
            region_name="us-east-1",
            aws_access_key_id=sink.credentials.access_key,
            aws_secret_access_key=sink.credentials.secret_key,
            verify=str(sink.ca_file),
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )
        where = {"Bucket": "bucket", "Key": "calls/a"}
        upload = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
        part = client.upload_part(
            **upload, PartNumber=1, Body=b"x" * 6_000_000, ChecksumAlgorithm="CRC32", ChecksumCRC32="AAAAAA=="
        )
        assert part["ChecksumCRC32"] == "AAAAAA=="
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        assert client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})["ETag"]
        client.abort_multipart_upload(**upload)
        assert client.put_object(**where, Body=b"small", ChecksumCRC32="BBBBBB==")["ChecksumCRC32"] == "BBBBBB=="
        for sums in ({"ChecksumSHA256": "A" * 43 + "="}, {"ChecksumCRC64NVME": "A" * 11 + "="}):
            with pytest.raises(ClientError, match="BadDigest"):
                client.put_object(**where, Body=b"small", **sums)
        with pytest.raises(ClientError):
            client.get_object(**where)
