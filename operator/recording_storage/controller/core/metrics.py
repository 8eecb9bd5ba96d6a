"""What the operator counts; served by `--metrics-listen`. No label holds the name of an object or a person's data."""

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter(
    "recording_storage_operator_reconciles", "Looks at an object, by how they ended", ["kind", "outcome"]
)
DURATION = Histogram(
    "recording_storage_operator_reconcile_seconds",
    "Seconds that a look at an object took",
    ["kind"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120),
)
DEFECTS = Counter(
    "recording_storage_operator_defects", "Looks at an object that a fault of the operator's own has ended", ["kind"]
)
QUEUE = Gauge("recording_storage_operator_queue_length", "Objects that are due for a look")
OBJECTS = Gauge("recording_storage_operator_objects", "Objects by their Ready condition", ["kind", "ready"])
STORE_REQUESTS = Counter("recording_storage_operator_store_requests", "Calls to settings stores", ["port", "outcome"])
LEADING = Gauge("recording_storage_operator_leading", "1 while this replica is the active one")
ROLLBACKS = Counter(
    "recording_storage_operator_rollbacks", "Times that the cluster was found put back to an earlier state"
)
MISSED = Counter(
    "recording_storage_operator_missed_changes", "Changes that came by comparing, not through their watch", ["kind"]
)
TRUST_FAILURES = Counter(
    "recording_storage_operator_trust_failures", "Looks at the store's certificate or master key that have failed"
)
CERTIFICATE_ENDS = Gauge(
    "recording_storage_operator_certificate_ends_timestamp_seconds",
    "When the store's certificate, and the authority that signs it, end",
    ["certificate"],
)
MASTER_KEY_MISSING = Gauge(
    "recording_storage_operator_master_key_missing",
    "1 while the store has data and the Secret with its master key is not there",
)
PODS_WITHOUT_UPLOADER = Gauge(
    "recording_storage_operator_pods_without_uploader",
    "Pods that ask for an uploader and have none that works, by reason",
    ["reason"],
)
