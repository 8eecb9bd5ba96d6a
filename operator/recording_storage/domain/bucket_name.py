"""Names of buckets: AWS's rules for general purpose buckets; other servers have the same or looser ones."""

import re

_SHORTEST, _LONGEST = 3, 63
_CHARACTERS = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def bucket_name_fault(name: str) -> str:
    """Why `name` is no bucket's name, as the end of a sentence that begins with it; "" when it is one."""
    start = next((start for start in _RESERVED_STARTS if name.startswith(start)), "")
    end = next((end for end in _RESERVED_ENDS if name.endswith(end)), "")
    faults = (
        (not _SHORTEST <= len(name) <= _LONGEST, f"has {len(name)} characters, not {_SHORTEST} to {_LONGEST}"),
        (name != name.lower(), "has upper-case letters"),
        (
            not _CHARACTERS.fullmatch(name),
            "is not made of lower-case letters, digits, dots and hyphens, with a letter or digit at both ends",
        ),
        (".." in name, "has two dots in a row"),
        (".-" in name or "-." in name, "has a hyphen beside a dot"),
        (_IPV4.fullmatch(name) is not None, "has the form of an IP address"),
        (bool(start), f"starts with {start}, which AWS keeps for itself"),
        (bool(end), f"ends with {end}, which AWS keeps for other kinds of bucket and access points"),
    )
    return next((text for holds, text in faults if holds), "")
