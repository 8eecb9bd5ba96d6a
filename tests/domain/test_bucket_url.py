"""Every form of a bucket's URL is read, and everything else is refused with a remedy."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording_storage.domain.bucket_name import bucket_name_fault
from recording_storage.domain.bucket_url import (
    Addressing,
    BucketLocation,
    BucketUrlError,
    named_endpoint,
    normalised_endpoint,
    parse_bucket_url,
)

MINIO = "https://minio.example:9000"
PLAIN = "http://127.0.0.1:9000"
V, P = Addressing.VIRTUAL, Addressing.PATH


@pytest.mark.parametrize(
    ("url", "region", "endpoint", "bucket", "prefix", "found_region", "style"),
    [
        # virtual host
        (
            "https://calls.s3.eu-west-1.amazonaws.com/a/b",
            "",
            "https://s3.eu-west-1.amazonaws.com",
            "calls",
            "a/b/",
            "eu-west-1",
            V,
        ),
        (
            "https://calls.s3.eu-west-1.amazonaws.com",
            "",
            "https://s3.eu-west-1.amazonaws.com",
            "calls",
            "",
            "eu-west-1",
            V,
        ),
        (
            "https://calls.s3.eu-west-1.amazonaws.com/",
            "eu-west-1",
            "https://s3.eu-west-1.amazonaws.com",
            "calls",
            "",
            "eu-west-1",
            V,
        ),
        ("https://calls.s3.amazonaws.com/a/", "", "https://s3.amazonaws.com", "calls", "a/", "", V),
        (
            "https://calls.s3.amazonaws.com/a",
            "ap-south-2",
            "https://s3.ap-south-2.amazonaws.com",
            "calls",
            "a/",
            "ap-south-2",
            V,
        ),
        (
            "HTTPS://Calls.S3.EU-West-1.AmazonAWS.com/A",
            "",
            "https://s3.eu-west-1.amazonaws.com",
            "calls",
            "A/",
            "eu-west-1",
            V,
        ),
        (
            "https://calls.s3.us-gov-west-1.amazonaws.com:443/a",
            "",
            "https://s3.us-gov-west-1.amazonaws.com",
            "calls",
            "a/",
            "us-gov-west-1",
            V,
        ),
        (
            "https://calls.s3-external-1.amazonaws.com/a",
            "",
            "https://s3.us-east-1.amazonaws.com",
            "calls",
            "a/",
            "us-east-1",
            V,
        ),
        # the older form of the region
        (
            "https://calls.s3-eu-west-1.amazonaws.com/a",
            "",
            "https://s3.eu-west-1.amazonaws.com",
            "calls",
            "a/",
            "eu-west-1",
            V,
        ),
        (
            "https://s3-eu-west-1.amazonaws.com/calls/a",
            "",
            "https://s3.eu-west-1.amazonaws.com",
            "calls",
            "a/",
            "eu-west-1",
            V,
        ),
        # path style
        (
            "https://s3.eu-west-1.amazonaws.com/calls/a",
            "",
            "https://s3.eu-west-1.amazonaws.com",
            "calls",
            "a/",
            "eu-west-1",
            V,
        ),
        ("https://s3.amazonaws.com/calls", "", "https://s3.amazonaws.com", "calls", "", "", V),
        # a bucket with dots: no certificate covers it as a host
        (
            "https://my.calls.s3.eu-west-1.amazonaws.com/a",
            "",
            "https://s3.eu-west-1.amazonaws.com",
            "my.calls",
            "a/",
            "eu-west-1",
            P,
        ),
        # dual-stack, FIPS, acceleration, China
        (
            "https://calls.s3.dualstack.eu-west-1.amazonaws.com/a",
            "",
            "https://s3.dualstack.eu-west-1.amazonaws.com",
            "calls",
            "a/",
            "eu-west-1",
            V,
        ),
        (
            "https://calls.s3-fips.us-east-2.amazonaws.com/a",
            "",
            "https://s3-fips.us-east-2.amazonaws.com",
            "calls",
            "a/",
            "us-east-2",
            V,
        ),
        (
            "https://calls.s3-accelerate.amazonaws.com/a",
            "eu-west-1",
            "https://s3-accelerate.amazonaws.com",
            "calls",
            "a/",
            "eu-west-1",
            V,
        ),
        (
            "https://calls.s3-accelerate.dualstack.amazonaws.com/a",
            "",
            "https://s3-accelerate.dualstack.amazonaws.com",
            "calls",
            "a/",
            "",
            V,
        ),
        (
            "https://calls.s3.cn-north-1.amazonaws.com.cn/a",
            "",
            "https://s3.cn-north-1.amazonaws.com.cn",
            "calls",
            "a/",
            "cn-north-1",
            V,
        ),
        # a single label is the bucket itself
        ("https://bucket/recordings", "", "https://s3.amazonaws.com", "bucket", "recordings/", "", V),
        (
            "https://bucket/recordings",
            "eu-west-1",
            "https://s3.eu-west-1.amazonaws.com",
            "bucket",
            "recordings/",
            "eu-west-1",
            V,
        ),
        ("https://bucket", "cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn", "bucket", "", "cn-north-1", V),
        ("https://2130706433/x", "", "https://s3.amazonaws.com", "2130706433", "x/", "", V),
        # allowed endpoints, read first
        (f"{MINIO}/calls/a/b/", "", MINIO, "calls", "a/b/", "", P),
        ("https://MINIO.example.:9000/calls", "garage", MINIO, "calls", "", "garage", P),
        ("https://storage/calls/a", "", "https://storage", "calls", "a/", "", P),
        ("https://[fd00::1]:9000/calls", "", "https://[fd00::1]:9000", "calls", "", "", P),
        # characters: decoded once, as in the key
        ("https://bucket/a%20b/%C3%BC/c+d", "", "https://s3.amazonaws.com", "bucket", "a b/ü/c+d/", "", V),
    ],
)
def test_every_form_is_read(url, region, endpoint, bucket, prefix, found_region, style):  # noqa: PLR0917
    location = parse_bucket_url(
        url, region=region, allowed_endpoints=[MINIO, "https://storage", "https://[FD00::1]:9000"]
    )
    assert location == BucketLocation(endpoint=endpoint, bucket=bucket, prefix=prefix, region=found_region, style=style)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is empty"),
        ("bucket/calls", "starts with https://"),
        ("s3://bucket/calls", "https://BUCKET.s3.REGION.amazonaws.com"),
        ("ftp://bucket/calls", "starts with https://"),
        ("https:///calls", "host is missing"),
        ("https://user:hunter2@bucket/calls", "credential"),
        ("https://bucket/calls?x=hunter2", "a query"),
        ("https://bucket/calls#x", "a fragment"),
        ("https://bucket/calls/../other", "'..'"),
        ("https://bucket/calls/%2e%2e/other", "'..'"),
        ("https://bucket/./calls", "'.'"),
        ("https://bucket//calls", "empty segment"),
        ("https://bucket/calls//", "empty segment"),
        ("https://bucket/a%2Fb", "%2F"),
        ("https://bucket/a b", "percent-encode"),
        ("https://bucket/ü", "RFC 3986"),
        ("https://bucket/a\\b", "RFC 3986"),
        ("https://bucket/a%0Ab", "control character"),
        ("https://bucket/a\nb", "RFC 3986"),
        ("https://bucket/100%", "%25"),
        ("https://bucket/%ff", "UTF-8"),
        ("https://bucket/" + "a" * 513, "512 bytes"),
        ("https://bucket/" + "a" * 3000, "2048"),
        ("https://bu/calls", "not 3 to 63"),
        ("https://s3.eu-west-1.amazonaws.com", "bucket is missing"),
        ("https://s3.eu-west-1.amazonaws.com/Calls/a", "upper-case"),
        ("https://s3.eu-west-1.amazonaws.com/192.168.0.1/a", "IP address"),
        ("https://s3.eu-west-1.amazonaws.com/xn--calls/a", "xn--"),
        ("https://s3.eu-west-1.amazonaws.com/calls-s3alias/a", "-s3alias"),
        ("https://s3.eu-west-1.amazonaws.com/a..b/a", "two dots"),
        ("https://calls.s3.dualstack.amazonaws.com/a", "dual-stack"),
        ("https://calls.s3-fips.amazonaws.com/a", "FIPS"),
        ("https://s3-accelerate.amazonaws.com/calls", "acceleration"),
        ("https://my.calls.s3-accelerate.amazonaws.com/a", "acceleration"),
        ("https://calls.s3-website-us-east-1.amazonaws.com/a", "website"),
        ("https://calls--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/a", "S3 Express"),
        ("https://calls.s3.amazonaws.com.cn/a", "China"),
        ("https://calls.s3.cn-north-1.amazonaws.com/a", "amazonaws.com.cn"),
        ("https://calls.s3.eu-west-1.amazonaws.com.cn/a", "s3.eu-west-1.amazonaws.com"),
        ("https://calls.s3.eu-west-1.amazonaws.com:8443/a", "no S3 endpoint"),
        ("https://sqs.eu-west-1.amazonaws.com/a", "no S3 endpoint"),
        ("https://evil-amazonaws.com/calls", "--allow-endpoint https://evil-amazonaws.com"),
        ("https://s3.eu-west-1.amazonaws.com.evil.example/calls", "neither AWS nor an allowed endpoint"),
        ("https://minio.example/calls", "--allow-endpoint https://minio.example"),
        ("https://127.0.0.1/calls", "--allow-endpoint https://127.0.0.1"),
        ("https://[::1]/calls", "neither AWS"),
        ("https://[fe80::1%25eth0]/calls", "IPv6"),
        ("https://minio.example:9001/calls", "neither AWS"),
        ("https://minio.example:0/calls", "port"),
        ("https://minio.example:99999/calls", "port"),
        ("https://minio.example:9x/calls", "port"),
        ("https://minio..example/calls", "DNS name"),
        ("https://-minio.example/calls", "DNS name"),
        (f"{MINIO}", "bucket is missing"),
        ("http://bucket/calls", "in the clear"),
        (f"{PLAIN}/calls", "allow http for this endpoint"),
        ("http://minio.example:9000/calls", "in the clear"),
    ],
)
def test_everything_else_is_refused_with_a_remedy(url, says):
    with pytest.raises(BucketUrlError, match=re.escape(says)) as caught:
        parse_bucket_url(url, allowed_endpoints=[MINIO, PLAIN])
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_http_needs_both_the_endpoint_and_the_permission():
    location = parse_bucket_url(f"{PLAIN}/bucket/calls", allowed_endpoints=[PLAIN + "/"], allow_http=True)
    assert location.allow_http
    assert (location.scheme, location.hostname, location.port, location.host) == (
        "http",
        "127.0.0.1",
        9000,
        "127.0.0.1:9000",
    )
    with pytest.raises(BucketUrlError):
        parse_bucket_url("http://calls.s3.amazonaws.com/a", allow_http=True)
    with pytest.raises(BucketUrlError):
        parse_bucket_url("http://other:9000/bucket/a", allowed_endpoints=[PLAIN], allow_http=True)


def test_a_region_that_contradicts_the_url_is_an_error():
    with pytest.raises(BucketUrlError, match="names region eu-west-1, the setting names us-east-1"):
        parse_bucket_url("https://calls.s3.eu-west-1.amazonaws.com/a", region="us-east-1")


@pytest.mark.parametrize("region", ["eu west", "a.b", "x/y", "-x", "a" * 64, "evil.example#"])
def test_a_region_that_is_none_is_refused(region):
    with pytest.raises(BucketUrlError, match="no region's name"):
        parse_bucket_url("https://bucket/a", region=region)


def test_on_aws_a_region_looks_like_one_of_aws():
    with pytest.raises(BucketUrlError, match="none of AWS's"):
        parse_bucket_url("https://bucket/a", region="garage")


def test_an_object_url_names_bucket_and_key():
    assert (
        parse_bucket_url("https://calls.s3.eu-west-1.amazonaws.com/a").object_url("a/RE ü+1.wav")
        == "https://calls.s3.eu-west-1.amazonaws.com/a/RE%20%C3%BC%2B1.wav"
    )
    assert (
        parse_bucket_url(f"{MINIO}/calls/a", allowed_endpoints=[MINIO]).object_url("a/x.wav")
        == f"{MINIO}/calls/a/x.wav"
    )


def test_a_region_learnt_later_changes_the_host_on_aws_only():
    aws = parse_bucket_url("https://bucket/a").in_region("eu-central-1")
    assert (aws.endpoint, aws.region) == ("https://s3.eu-central-1.amazonaws.com", "eu-central-1")
    other = parse_bucket_url(f"{MINIO}/bucket", allowed_endpoints=[MINIO]).in_region("eu-central-1")
    assert (other.endpoint, other.region) == (MINIO, "eu-central-1")


@pytest.mark.parametrize("endpoint", ["https://minio.example/bucket", "minio.example", "https://"])
def test_an_allowed_endpoint_has_no_path(endpoint):
    with pytest.raises(BucketUrlError):
        normalised_endpoint(endpoint)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://bucket/calls", ""),
        ("https://calls.s3.eu-west-1.amazonaws.com/a", ""),
        (f"{MINIO}/calls", MINIO),
        ("http://minio/calls", "http://minio"),
        ("https://minio:9000/calls", "https://minio:9000"),
        ("https://minio.example/calls", "https://minio.example"),
    ],
)
def test_the_endpoint_that_a_url_names(url, endpoint):
    assert named_endpoint(url) == endpoint


BUCKETS = st.text(string.ascii_lowercase + string.digits + "-.", min_size=3, max_size=63).filter(
    lambda name: not bucket_name_fault(name)
)
SEGMENTS = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/"), min_size=1, max_size=20
).filter(lambda segment: segment not in (".", ".."))


@given(
    bucket=BUCKETS,
    segments=st.lists(SEGMENTS, max_size=4),
    endpoint=st.sampled_from(["https://s3.eu-west-1.amazonaws.com", MINIO]),
)
def test_a_location_s_own_url_reads_back_to_it(bucket, segments, endpoint):
    aws = "amazonaws" in endpoint
    location = BucketLocation(
        endpoint=endpoint,
        bucket=bucket,
        prefix="".join(f"{segment}/" for segment in segments),
        region="eu-west-1" if aws else "",
        style=Addressing.VIRTUAL if aws and "." not in bucket else Addressing.PATH,
    )
    assert parse_bucket_url(location.url, allowed_endpoints=[MINIO]) == location


@given(st.text(max_size=80) | st.text(max_size=60).map(lambda rest: "https://" + rest))
def test_any_text_is_a_location_or_the_one_error(text):
    try:
        location = parse_bucket_url(text, allowed_endpoints=[MINIO])
    except BucketUrlError:
        return
    assert location.endpoint.startswith("https://")
    assert location.prefix == "" or location.prefix.endswith("/")
    assert not bucket_name_fault(location.bucket)
    assert location.is_aws or location.endpoint == MINIO
