"""What the internal port counts; no sid, name or address is a label."""

from prometheus_client import Counter, Gauge

from recording_storage.store.health import REGISTRY

WAITING = Gauge(
    "recording_storage_store_waiting_uploaders", "Long-polls that wait for something new", registry=REGISTRY
)
REPORTED = Counter(
    "recording_storage_store_reported_recordings_total",
    "Recordings in batches, by the status of their result",
    ["status"],
    registry=REGISTRY,
)
MEDIA_BYTES = Counter(
    "recording_storage_store_media_bytes_total", "Bytes taken into the store's own storage", registry=REGISTRY
)
REVIEWS = Counter(
    "recording_storage_store_token_reviews_total",
    "Service account tokens that the cluster was asked about",
    ["result"],
    registry=REGISTRY,
)
