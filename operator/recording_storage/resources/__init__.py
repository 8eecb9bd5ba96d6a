"""The five custom resources of `recordingstorage.dev/v1alpha1` as models; `crds/*.yaml` is generated from them."""

from recording_storage.resources.account import RecordingAccount
from recording_storage.resources.aws_credential import AwsCredential
from recording_storage.resources.common import API_VERSION, GROUP, VERSION, Resource
from recording_storage.resources.public_key import PublicKey
from recording_storage.resources.recording_settings import RecordingSettings
from recording_storage.resources.recording_spool import RecordingSpool

KINDS: tuple[type[Resource], ...] = (RecordingAccount, AwsCredential, PublicKey, RecordingSettings, RecordingSpool)
"""In the order in which they refer to each other: an earlier one never names a later one."""

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "AwsCredential",
    "PublicKey",
    "RecordingAccount",
    "RecordingSettings",
    "RecordingSpool",
    "Resource",
]
