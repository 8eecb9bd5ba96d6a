"""`/v1/RecordingSettings/Default` (video's, as in the hosted service) and `/v1/VoiceRecordingSettings/Default`."""

from typing import Any

from fastapi import APIRouter, Request

from recording_storage.domain.settings import RecordingSettings
from recording_storage.domain.states import Product
from recording_storage.store.api.auth import CallerDep, StoreDep
from recording_storage.store.api.forms import FormDep
from recording_storage.store.api.urls import absolute
from recording_storage.store.context import Store
from recording_storage.store.services.settings import get_own_storage, get_settings, update_settings

router = APIRouter(prefix="/v1")

PATHS = {Product.VIDEO: "/v1/RecordingSettings/Default", Product.VOICE: "/v1/VoiceRecordingSettings/Default"}


@router.get("/RecordingSettings/Default")
def get_video(request: Request, store: StoreDep, caller: CallerDep) -> dict[str, Any]:
    return _get(request, store, caller, Product.VIDEO)


@router.post("/RecordingSettings/Default", status_code=201)
def post_video(request: Request, store: StoreDep, caller: CallerDep, form: FormDep) -> dict[str, Any]:
    return _post(request, store, caller, form, Product.VIDEO)


@router.get("/VoiceRecordingSettings/Default")
def get_voice(request: Request, store: StoreDep, caller: CallerDep) -> dict[str, Any]:
    return _get(request, store, caller, Product.VOICE)


@router.post("/VoiceRecordingSettings/Default", status_code=201)
def post_voice(request: Request, store: StoreDep, caller: CallerDep, form: FormDep) -> dict[str, Any]:
    return _post(request, store, caller, form, Product.VOICE)


def _get(request: Request, store: StoreDep, caller: CallerDep, product: Product) -> dict[str, Any]:
    settings = get_settings(store, account_sid=caller.account_sid, product=product)
    return _render(request, store, caller.account_sid, product, settings)


def _post(request: Request, store: StoreDep, caller: CallerDep, form: FormDep, product: Product) -> dict[str, Any]:
    settings = update_settings(store, account_sid=caller.account_sid, product=product, parameters=form)
    return _render(request, store, caller.account_sid, product, settings)


def _render(
    request: Request, store: Store, account_sid: str, product: Product, settings: RecordingSettings
) -> dict[str, Any]:
    return {
        "account_sid": account_sid,
        "friendly_name": settings.friendly_name,
        "aws_credentials_sid": settings.aws_credentials_sid or None,
        "aws_s3_url": settings.aws_s3_url or None,
        "aws_storage_enabled": settings.aws_storage_enabled,
        "encryption_key_sid": settings.encryption_key_sid or None,
        "encryption_enabled": settings.encryption_enabled,
        "url": absolute(request, PATHS[product]),
        # This store's own; SDKs that don't know them don't mind.
        "region": settings.region,
        "ca_bundle": settings.ca_bundle,
        "expected_bucket_owner": settings.expected_bucket_owner,
        "retry_window": settings.retry_window,
        "fatal_error_policy": settings.fatal_error_policy,
        "denial_grace": settings.denial_grace,
        "key_template": settings.key_template,
        "storage_class": settings.storage_class,
        "server_side_encryption": settings.server_side_encryption,
        "kms_key_id": settings.kms_key_id,
        "tags": dict(settings.tags),
        "object_metadata": settings.object_metadata,
        "trust_unverified": settings.trust_unverified,
        "status_callback": settings.status_callback,
        "status_callback_method": settings.status_callback_method,
        "own_storage": get_own_storage(store, account_sid=account_sid, product=product),
    }
