"""How the store is, for probes and for Prometheus; mounted on the internal port."""

import logging

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from recording_storage.store.context import Store
from recording_storage.store.database.engine import DatabaseUnavailableError

logger = logging.getLogger(__name__)

REGISTRY = CollectorRegistry()
"""Our own: the process-wide one would make a second store in the same process impossible (tests, demo)."""
REQUESTS = Counter(
    "recording_storage_store_requests_total", "Requests, by port and status", ["port", "status"], registry=REGISTRY
)
VERIFICATIONS = Counter(
    "recording_storage_store_verifications_total", "Buckets tried before enabling", ["result"], registry=REGISTRY
)
VERIFICATION_SECONDS = Histogram(
    "recording_storage_store_verification_seconds", "How long trying a bucket took", registry=REGISTRY
)
READY = Gauge("recording_storage_store_ready", "1 while the database answers", registry=REGISTRY)

router = APIRouter()


@router.get("/healthz")
async def healthz() -> PlainTextResponse:
    """The process serves requests. Not the database: restarting the store would not mend that."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def readyz(request: Request) -> PlainTextResponse:
    """The database answers."""
    store = request.app.state.store
    assert isinstance(store, Store)
    try:
        store.database.ping()
    except DatabaseUnavailableError as error:
        READY.set(0)
        logger.warning("not ready: %s", error)
        return PlainTextResponse("the database can't be asked\n", status_code=503)
    READY.set(1)
    return PlainTextResponse("ok\n")


@router.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
