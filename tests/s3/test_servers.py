"""Both servers enforce the documented policy alike: a suite that passes on one says something about the other."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.s3.fixtures import Bucket, create_bucket
from tests.s3.servers import S3Server, least_rights

pytestmark = pytest.mark.slow


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_the_least_rights_are_enough_for_a_multipart_upload(bucket: Bucket) -> None:
    client = bucket.client()
    where = {"Bucket": bucket.name, "Key": f"{bucket.prefix}a/b.wav"}
    upload = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}

    part = client.upload_part(**upload, PartNumber=1, Body=b"x" * 100_000)

    parts = client.list_parts(**upload)["Parts"]
    assert [(p["PartNumber"], p["ETag"], p["Size"]) for p in parts] == [(1, part["ETag"], 100_000)]
    open_uploads = client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    assert [(u["Key"], u["UploadId"]) for u in open_uploads] == [(where["Key"], upload["UploadId"])]

    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert bucket.read(where["Key"]) == b"x" * 100_000


def test_the_least_rights_are_enough_to_abort_and_to_put(bucket: Bucket) -> None:
    client = bucket.client()
    where = {"Bucket": bucket.name, "Key": f"{bucket.prefix}one.wav"}
    upload = client.create_multipart_upload(**where)["UploadId"]
    client.abort_multipart_upload(**where, UploadId=upload)
    assert bucket.uploads() == []
    client.put_object(**where, Body=b"small")
    assert bucket.keys() == [where["Key"]]


def test_the_least_rights_do_not_read(bucket: Bucket) -> None:
    client = bucket.client()
    where = {"Bucket": bucket.name, "Key": f"{bucket.prefix}one.wav"}
    client.put_object(**where, Body=b"small")
    assert refusal(client.get_object, **where) == (403, "AccessDenied")
    assert refusal(client.head_object, **where)[0] == 403
    assert refusal(client.list_objects_v2, Bucket=bucket.name) == (403, "AccessDenied")
    assert refusal(client.delete_object, **where) == (403, "AccessDenied")


def test_the_least_rights_end_at_the_folder(bucket: Bucket) -> None:
    client = bucket.client()
    outside = {"Bucket": bucket.name, "Key": "elsewhere/one.wav"}
    assert refusal(client.put_object, **outside, Body=b"small") == (403, "AccessDenied")
    assert refusal(client.create_multipart_upload, **outside) == (403, "AccessDenied")
    other = bucket.server.create_bucket()
    assert refusal(client.put_object, Bucket=other, Key=f"{bucket.prefix}x", Body=b"") == (403, "AccessDenied")


def test_a_policy_that_is_replaced_applies_at_once(bucket: Bucket) -> None:
    bucket.server.set_policy(bucket.user.name, least_rights(bucket.name, "other/"))
    where = {"Bucket": bucket.name, "Key": f"{bucket.prefix}x"}
    assert refusal(bucket.client().put_object, **where, Body=b"")[0] == 403


def test_a_rotated_key_works_and_the_deleted_one_does_not(bucket: Bucket) -> None:
    server = bucket.server
    rotated = server.rotate_key(bucket.user)
    server.delete_key(bucket.user)
    where = {"Bucket": bucket.name, "Key": f"{bucket.prefix}x"}
    server.client(rotated.credentials).put_object(**where, Body=b"")
    assert refusal(bucket.client().put_object, **where, Body=b"") == (403, "InvalidAccessKeyId")
    server.delete_user(rotated)


@pytest.mark.slow
def test_a_strict_server_keeps_its_data_over_sigkill_and_refuses_a_deactivated_key(versity_server: S3Server) -> None:
    bucket = create_bucket(versity_server)
    where = {"Bucket": bucket.name, "Key": f"{bucket.prefix}x"}
    bucket.client().put_object(**where, Body=b"kept")

    versity_server.kill()
    versity_server.start()

    assert bucket.read(where["Key"]) == b"kept"
    versity_server.deactivate_key(bucket.user)
    assert refusal(bucket.client().put_object, **where, Body=b"")[0] == 403


@pytest.mark.parametrize("name", ["moto_tls_server", pytest.param("versity_tls_server", marks=pytest.mark.slow)])
def test_a_server_with_tls_is_trusted_by_its_own_authority(name: str, request: pytest.FixtureRequest) -> None:
    server: S3Server = request.getfixturevalue(name)
    assert server.endpoint.startswith("https://")
    bucket = create_bucket(server)
    bucket.client().put_object(Bucket=bucket.name, Key=f"{bucket.prefix}x", Body=b"hidden")
    assert bucket.read(f"{bucket.prefix}x") == b"hidden"
