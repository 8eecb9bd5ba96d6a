"""The ports' certificates: checked before serving, read again when they are renewed, without a restart."""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from recording_storage.domain.system_errors import plain_reason

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Two calls of stat cost nothing, and what the files take to get here is time that a short certificate lacks."""


_REASONS = {"KEY_VALUES_MISMATCH": "they don't belong together"}
"""OpenSSL's words that say more than that a file is none."""


class CertificateError(Exception):
    """Certificate and key can't be used; the message names the files and why."""


@dataclass(frozen=True)
class CertificateFiles:
    certificate: Path
    key: Path

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have new connections use what the files hold now; open ones keep theirs. Raises CertificateError."""
        try:
            context.load_cert_chain(self.certificate, self.key)
        except ssl.SSLError as error:
            reason = _REASONS.get(error.reason or "", "they are no certificate and key in PEM")
            raise CertificateError(f"the certificate {self.certificate} and its key {self.key}: {reason}") from None
        except OSError as error:
            raise CertificateError(
                f"the certificate {self.certificate} or its key {self.key} can't be read: {plain_reason(error)}"
            ) from None

    def check(self) -> None:
        """Raise CertificateError unless they can be used."""
        self.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def version(self) -> tuple[int, ...]:
        """Differs once a file has been replaced; empty while one is missing."""
        try:
            return tuple(file.stat().st_mtime_ns for file in (self.certificate, self.key))
        except OSError:
            return ()


async def keep_fresh(files: CertificateFiles, context: ssl.SSLContext) -> None:
    """Load renewed files, until cancelled. Files that don't fit each other (yet) leave the present ones in use."""
    loaded = files.version()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        found = files.version()
        if found in {loaded, ()}:
            continue
        try:
            # Tried apart first: a half-written pair must not damage the context that is in use.
            files.check()
            files.load_into(context)
        except CertificateError as error:
            logger.warning("a renewed certificate is not used: %s", error)
            continue
        loaded = found
        logger.info("the certificate %s was renewed", files.certificate)
