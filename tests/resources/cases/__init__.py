"""The rules of each kind as tables: a good manifest, and changes of it that the API server takes or refuses."""

from tests.resources.cases import account, aws_credential, public_key, recording_settings, recording_spool
from tests.resources.cases.case import Cases

TABLES: dict[str, Cases] = {
    "account": account.CASES,
    "account-with-sid": account.WITH_SID,
    "credential": aws_credential.CASES,
    "key": public_key.CASES,
    "settings": recording_settings.CASES,
    "spool": recording_spool.CASES,
}
