"""The option --ca-file: whom to trust."""

from pathlib import Path

import click

from recording_storage.domain.system_errors import plain_reason


def check_ca_file(file: Path | None) -> None:
    """Refuse a file that no server could be recognised by; one that is renewed badly later is told in the log.

    Raises click.UsageError.
    """
    import ssl  # noqa: PLC0415 - the help needs none of it

    if file is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise click.UsageError(f"--ca-file {file}: it holds no PEM certificate; name a file that does") from None
    except OSError as error:
        raise click.UsageError(f"--ca-file {file}: {plain_reason(error)}") from None
