"""The settings store's second port, `/internal/v1`: for uploaders and for the operator.

Every path but the last group wants `Authorization: Bearer TOKEN`. TOKEN is one of

- a Kubernetes ServiceAccount token of audience `recording-storage`, bound to a pod (as in a projected volume);
- a token of `store create-token --account AC…`: an uploader's, for that account alone;
- a token of `store create-token --admin`: the operator's; as an uploader it must name the accounts it wants.

A peer may say which protocol it speaks in the header `Recording-Storage-Protocol: 1.0` (`sync` has it in the body).
The minor version is free; another major one is refused with 400 `protocol_unsupported`.
Requests and answers are JSON of the messages in `recording_storage.protocol`, but for media. Every answer that is no
success is a `Problem`: {"status", "code", "message"}; it never repeats what was sent.

Any path:     400 protocol_unsupported · 401 unauthorized · 404 not_found · 405 invalid · 408 too_slow · 413 too_large
              422 invalid · 500 internal
              503 unavailable (`Retry-After`; the database or the API server can't be asked: try again)
U             uploader: a bound pod's token, or an account's; the accounts are those bound to the namespace's UID
O             operator: admin token or the service account of `--operator-service-account`; else 403 forbidden

U  POST   /internal/v1/uploaders/{spool_id}/sync                          SyncRequest → 200 SyncResponse
          Answers at once when the etag differs from `known` or a command waits, else when that becomes so, at latest
          after `wait_seconds`; then `plans` is None and `etag` equals `known`. `plans` has each account that the caller
          may have and (if `accounts` is not empty) asked for; an account that is missing from it is not (or no longer)
          the caller's: nothing more is said of it. Commands come again with each answer until acknowledged.
          With a `place`, a pod gets the plans of its spool's assignment alone, and `assignment` beside them; there are
          none while it is unassigned. 409 conflict for a spool that was found in another namespace.
          A 422 also for a spool_id that is no UUID in lower case; 413 beyond 1 MiB, any other message beyond 16 MiB;
          409 conflict for a new spool of an account that has 10,000.
U  POST   /internal/v1/uploaders/{spool_id}/recordings:batch              BatchRequest → 200 BatchResponse
U  POST   /internal/v1/recordings:batch                                   the same
          At most 1,000; one result for each item, in their order. An item's own status: 200, 403, 409, 422.
          422 of an item: it is not well-formed, a value is too long, `stored` at a destination without `media_url`, or
          `stored` in the store's own storage (destination_id None) before `media:complete` has succeeded.
          A recording that its owner has deleted is answered with 200 and the seq that was sent, and stays deleted.
U  HEAD   /internal/v1/accounts/{AC}/recordings/{sid}/media               200 `Upload-Offset` `Upload-Complete: ?0|?1`
U  PATCH  /internal/v1/accounts/{AC}/recordings/{sid}/media               raw bytes, header `Upload-Offset: N`
          → 204, `Upload-Offset` after them. What arrived before a broken connection, or before a minute without a byte
          (408), is kept: ask HEAD, go on there.
          409 conflict with the present `Upload-Offset` when it doesn't match, when another PATCH is at work, or when
          the media is complete; 413 too_large beyond the registered size; 507 storage_full.
U  POST   /internal/v1/accounts/{AC}/recordings/{sid}/media:complete      MediaComplete → 200 MediaCompleted
          The same answer again when repeated. 422 checksum_mismatch: what had arrived is discarded, begin at 0.
          409 conflict: fewer bytes than `size` are here (with `Upload-Offset`), or complete with another checksum.
          The three of them: 403 not_bound; 404 not_found before the recording is registered by `recordings:batch`;
          409 conflict when it has a destination of its own; 410 gone when its owner has deleted it.

O  PUT    /internal/v1/accounts:by-external-id/{external_id}              OpenAccount → 200 OpenedAccount
          `external_id`: 1 to 255 characters, URL-quoted, `/` allowed. The same answer each time, also to two callers at
          once; `created` is true for one of them. A later friendly_name changes nothing. 409 conflict: it was closed.
          404 not_found: `known_sid` was opened for it, and is not here any more; none is opened.
O  GET    /internal/v1/accounts/{AC}                                      → 200 AccountInfo
O  DELETE /internal/v1/accounts/{AC}                                      → 204, closes it; again: 204
O  GET    /internal/v1/accounts/{AC}/bindings                             → 200 Bindings
O  GET    /internal/v1/accounts/{AC}/bindings/{namespace_uid}             → 200 Binding
O  PUT    /internal/v1/accounts/{AC}/bindings/{namespace_uid}             BindNamespace → 200 Binding
          403 proof_refused without a right proof, whether the account exists or not; 409 conflict: closed.
O  DELETE /internal/v1/accounts/{AC}/bindings/{namespace_uid}             → 204; again: 204
O  GET    /internal/v1/accounts/{AC}/uploaders                            → 200 Uploaders
O  GET    /internal/v1/spools?since=N                                     → 200 Spools
          Where pods with a `place` have found their spools: those that changed after that revision; without it, all.
O  GET    /internal/v1/spools/{spool_id}                                  → 200 Spools, of that one
O  PUT    /internal/v1/spools/{spool_id}                                  AssignSpool → 200 SpoolInfo; again: the same
          404 not_found: no uploader has found it there; 403 not_bound: an account is not bound to the namespace;
          409 conflict: it is assigned to another place, or was found in another namespace.
O  DELETE /internal/v1/spools/{spool_id}                                  → 204; again: 204
          Its assignment, what it has reported and its open commands; its recordings stay.
O  POST   /internal/v1/accounts/{AC}/commands                             NewCommand → 201 CommandStatus
          404 not_found: the named spool has never reported for the account; 409 no_uploader: no spool has.
          With an `id` that is known already: 201 with that command as it stands, and no second one.
          `retry_one` without a spool goes to the spool that the recording is on, if the store knows it.
O  GET    /internal/v1/accounts/{AC}/commands/{id}                        → 200 CommandStatus
O  POST   /internal/v1/accounts/{AC}/credentials/{CR}:replace             ReplaceCredential → 204; again: 204
          404 not_found: `by` is none of the account's credentials.
O  GET    /internal/v1/accounts/{AC}/settings/{product}                   → 200 SettingsState (revision 0: never set)
O  PUT    /internal/v1/accounts/{AC}/settings/{product}/owner             ClaimSettings → 200 SettingsOwner
          409 conflict: `message` names the present owner (its label, else its name).
O  DELETE /internal/v1/accounts/{AC}/settings/{product}/owner?owner=NAME  → 204; again: 204
          409 conflict when somebody else owns them; without `owner`, whoever does is let go.

   GET    /internal/v1/schemas             → {"protocol": "1.0", "schemas": [NAME, …]}, no token wanted
   GET    /internal/v1/schemas/{NAME}      → JSON Schema of a message, e.g. SyncRequest
   GET    /healthz /readyz /metrics        → text; readyz 503 while the database can't be asked; no token wanted
"""
