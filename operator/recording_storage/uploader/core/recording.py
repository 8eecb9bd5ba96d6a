"""What the journal holds of a recording: plain values; named tuples, cheap to make by the thousand."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recording_storage.domain.checksum import Checksum
    from recording_storage.domain.states import Product, RecordingState


NO_METADATA: Mapping[str, Any] = MappingProxyType({})


class Identity(NamedTuple):
    """Which file, and which contents: the same numbers mean the same bytes."""

    inode: int
    size: int
    """Bytes."""
    mtime_ns: int


class Reason(StrEnum):
    """Codes of errors that arise here and not at a server; the server's own are passed on as they come."""

    NO_PLAN = "NoPlan"
    """Nothing is known yet of what is in force for the account; the recording waits without limit."""
    NO_SETTINGS = "NoSettings"
    """None were applied for the product, and own storage is withheld; the recording waits without limit."""
    NO_SPOOL_CONFIG = "NoSpoolConfig"
    """Nobody has said yet whose recordings are on the spool; the recording waits without limit."""
    NO_CREDENTIAL = "NoCredential"
    """The plan has no credential for the destination."""
    ENCRYPTION_UNAVAILABLE = "EncryptionUnavailable"
    """The destination wants encryption, which this version does not have; nothing is ever sent in clear instead."""
    CHANGED_AFTER_UPLOAD = "ChangedAfterUpload"
    """The file is not the one that was stored any more: it stays."""
    CHANGED_WHILE_UPLOADING = "ChangedWhileUploading"
    """The file changed, or was opened for writing, before it was stored; it is taken when it is finished."""
    NOT_REMOVABLE = "NotRemovable"
    """The recording is stored and told, and its file can't be removed, or is open; that is tried again."""
    FILE_MISSING = "FileMissing"
    """Somebody removed the file before it was stored."""
    UNREADABLE = "Unreadable"
    """The file can't be opened."""
    INVALID_METADATA = "InvalidMetadata"
    """`NAME.EXT.recording.json` can't be used; the message says what is wrong in it."""
    DUPLICATE_SID = "DuplicateSid"
    """The metadata names a recording_sid that the journal has for another file."""
    KEY_TAKEN = "KeyTaken"
    """Another object has the key; it is never overwritten."""
    UNPROVEN = "Unproven"
    """An object has the key that an earlier attempt may have made, and nothing vouches for its bytes."""


REMOVED = "somebody removed the file before it was stored"
"""What `FileMissing` says."""
WAITS_FOR_PLAN = frozenset({Reason.NO_PLAN, Reason.NO_SETTINGS, Reason.NO_SPOOL_CONFIG})
"""Of what is not pinned yet."""
NOT_TRIED = frozenset({Reason.ENCRYPTION_UNAVAILABLE, Reason.NO_CREDENTIAL, Reason.NO_PLAN})
"""Of what is pinned and held: only another plan can mend it, and its retry window does not begin."""
MENDABLE = WAITS_FOR_PLAN | frozenset(
    {
        Reason.UNREADABLE,
        Reason.INVALID_METADATA,
        Reason.DUPLICATE_SID,
        Reason.FILE_MISSING,
        Reason.CHANGED_WHILE_UPLOADING,
    }
)
"""Looked at again at each scan: what is mended goes on without being asked to."""


class EntryError(NamedTuple):
    """Why a recording is where it is."""

    kind: str
    """The class of failure, a `FailureClass` value."""
    code: str
    """A `Reason`, or the server's code (`AccessDenied`)."""
    message: str
    """One sentence for a person; no secret."""


class StoredFacts(NamedTuple):
    """What is known of the object, once it is stored."""

    media_url: str
    etag: str
    """Empty when the acknowledgement was lost and only the object's presence is known."""
    checksum: Checksum | None
    """Of what was sent; None where the server has none."""
    sha256: str
    """Hex, of the file as the recorder left it."""
    size: int
    """Bytes of the object."""
    stored_at: float
    """POSIX time."""
    version_id: str = ""
    """As the server gave it; empty where it keeps no versions, or the acknowledgement was lost."""
    encryption_details: Mapping[str, str] | None = None
    """type, public_key_sid, encrypted_cek, iv; None for an object in clear."""


class Recording(NamedTuple):
    """A row of the journal, as it was when it was read."""

    id: int
    """The journal's own number; grows in the order of finding."""
    sid: str
    account_sid: str
    """Empty while nothing says whose it is."""
    product: Product
    path: str
    """Of the media file, relative to the spool, with `/`."""
    state: RecordingState
    seq: int
    """Grows with each change that the store should hear of."""
    identity: Identity
    content_type: str
    found_at: float
    """POSIX time."""
    changed_at: float
    """POSIX time of the last change of state."""
    metadata: Mapping[str, Any] = NO_METADATA
    """The recorder's fields by the names of the metadata file; validated, absent ones left out."""
    destination_id: str | None = None
    """Pinned when it was found; None: the store's own media storage, or not pinned yet (see `pinned`)."""
    pinned: bool = False
    object_key: str = ""
    """The full key, prefix included; set when the first attempt begins."""
    attempts: int = 0
    retry_at: float | None = None
    """POSIX time; None: waits for an event, or for nothing."""
    failures: int = 0
    """In a row, since it was found or a retry was asked for."""
    failing_since: float | None = None
    """Uploader running time, in seconds, of the first of them."""
    error: EntryError | None = None
    stored: StoredFacts | None = None
    told_seq: int = 0
    """The `seq` up to which the receiver of reports has taken it."""
