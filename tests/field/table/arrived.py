"""Answers that are no proof: a body that arrived otherwise, a checksum that is only echoed."""

from tests.field.actions import corrupt, strip_request
from tests.field.exchange import BODIES, Exchange, is_recording
from tests.field.integrity import Check, Vouching, everything
from tests.field.table.row import BOTH, Holds, Row


def _corrupting(vouching: Vouching):
    """Each recording's first body: it is sent again then."""

    def odd(server, _storage):
        server.vouching = vouching
        seen: set[str] = set()

        def is_the_first(exchange: Exchange) -> bool:
            if not is_recording(exchange) or exchange.key in seen:
                return False
            seen.add(exchange.key)
            return True

        return server.on(BODIES, corrupt, times=3, when=is_the_first)

    return odd


def _stripping(server, _storage):
    """Something on the way takes the checksums off, and turns a bit: the payload's hash in the signature is left."""
    server.on(BODIES, strip_request("x-amz-checksum-crc64nvme", "x-amz-checksum-sha256", "content-md5"))
    return _corrupting(everything())(server, _storage)


ROWS = (
    *(
        Row(f"a bit turns on the way, {word}", _corrupting(vouching), Holds.STORED, BOTH)
        for word, vouching in (
            ("all is compared", everything()),
            ("all is compared and nothing said of it", everything(Check.STRIP)),
            ("CRC64NVME alone is compared", Vouching(crc64nvme=Check.CHECK)),
            ("SHA-256 alone is compared", Vouching(sha256=Check.CHECK)),
            ("Content-MD5 alone is compared", Vouching(md5=Check.CHECK)),
            ("the signed hash alone is compared", Vouching(payload=Check.CHECK)),
            (
                "checksums are echoed and the signed hash is compared",
                Vouching(crc64nvme=Check.ECHO, sha256=Check.ECHO, payload=Check.CHECK),
            ),
            ("nothing is compared and the ETag is an MD5", Vouching()),
            ("checksums are echoed and the ETag is an MD5", everything(Check.ECHO)),
        )
    ),
    Row("a bit turns and the checksums get lost on the way", _stripping, Holds.STORED, BOTH),
)
