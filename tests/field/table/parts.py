"""Servers that take fewer parts of an upload than S3 does, and refuse more of them in words of their own."""

from tests.field.table.row import Holds, Row

_WORDS = (
    (400, "InvalidArgument", "Part number must be an integer between 1 and {limit}, inclusive"),
    (400, "InvalidRequest", "too many pieces"),
    (400, "InvalidPartNumber", "The part number is not valid."),
    (400, "TooManyParts", "no more than {limit}"),
    (400, "InvalidPart", "One or more of the specified parts could not be found."),
    (422, "XVendorPartLimit", "no"),
    (404, "NoSuchUpload", "no"),
    (404, "HTTP404", ""),
    (405, "MethodNotAllowed", "no"),
    (413, "EntityTooLarge", "no"),
    (416, "InvalidRange", "no"),
    (403, "AccessDenied", "no"),
    (500, "InternalError", "no"),
    (501, "NotImplemented", "no"),
)


def _limited(refusal: tuple[int, str, str]):
    def odd(_server, storage):
        storage.part_limit, storage.part_refusal = 1_000, refusal

    return odd


ROWS = tuple(Row(f"1,000 parts, then {one[0]} {one[1]}", _limited(one), Holds.STORED, sent_once=True) for one in _WORDS)
