"""What a person sees of settings that can't be brought about, and that they come right by themselves once mended."""

from tests.cluster.kube import Document
from tests.journeys.site import Site
from tests.s3.servers import least_rights
from tests.waiting import eventually


def test_a_bucket_that_refuses_is_not_enabled_and_is_once_its_rights_are_mended(site: Site) -> None:
    server, user = site.bucket.server, site.bucket.user
    server.set_policy(user.name, least_rights(site.bucket.name, "elsewhere/"))
    site.apply_all()
    _not_ready(site, "AccessDenied", site.bucket.name)
    assert site.client.video.v1.recording_settings().fetch().aws_storage_enabled is not True
    assert site.bucket.uploads() == []

    server.set_policy(user.name, least_rights(site.bucket.name, site.bucket.prefix))

    site.wait_ready()
    assert site.bucket.uploads() == []


def test_a_store_that_is_away_is_waited_for(site: Site) -> None:
    site.platform.kill("store")
    site.apply_all()
    _not_ready(site, site.platform.internal_url, kind="RecordingAccount")

    site.platform.start_store()

    site.wait_ready()


def _not_ready(site: Site, *words: str, kind: str = "RecordingSettings") -> Document:
    """The condition that says why, once it has these words."""
    last: list[Document] = []

    def look() -> Document | None:
        conditions = site.get(kind, "default").get("status", {}).get("conditions", [])
        last[:] = [each for each in conditions if each["type"] == "Ready" and each["status"] != "True"]
        return next((each for each in last if all(word in each["message"] for word in words)), None)

    try:
        return eventually(look, what=f"{kind} is not Ready, and says {words}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None
