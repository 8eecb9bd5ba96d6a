"""The form of options that name an account."""

import click

from recording_storage.domain.sids import SidPrefix, is_sid


def check_account(sid: str | None) -> None:
    """Raise click.UsageError where it is given and is no account's sid."""
    if sid and not is_sid(sid, SidPrefix.ACCOUNT):
        raise click.UsageError(f"--account {sid}: an account's sid is AC and 32 hexadecimal digits")
