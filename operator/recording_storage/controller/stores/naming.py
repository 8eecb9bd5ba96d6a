"""Friendly names at the store that tell whose an item is: a process that was killed finds what it had made.

`main-3f2a9c01d4e5b678`: the name that people gave, then 8 hex digits that stand for the resource and 8 for its content,
both keyed with the operator's own key. The store lists names, so an item can be looked for before it is created, and
what belongs to a resource but is no longer wanted can be found.
"""

from dataclasses import dataclass

from recording_storage.controller.cluster.hash_key import HashKey
from recording_storage.controller.stores.answers import StoredItem
from recording_storage.resources import Resource

MAX_FRIENDLY_NAME = 64
_HALF = 8


@dataclass(frozen=True, kw_only=True)
class ItemName:
    label: str
    resource_tag: str
    content_tag: str

    @property
    def text(self) -> str:
        suffix = f"-{self.resource_tag}{self.content_tag}"
        return self.label[: MAX_FRIENDLY_NAME - len(suffix)] + suffix


def item_name(resource: Resource, *, label: str, content: str, hash_key: HashKey) -> ItemName:
    """The name of the item that stands for this resource with this content (a key pair, a public key)."""
    return ItemName(
        label=label,
        resource_tag=resource_tag(resource, hash_key=hash_key),
        content_tag=hash_key.digest("content", content, length=_HALF),
    )


def resource_tag(resource: Resource, *, hash_key: HashKey) -> str:
    """By namespace and name, not by UID: a resource that was restored or created anew finds its items again."""
    return hash_key.digest("resource", resource.kind, resource.metadata.namespace, resource.metadata.name, length=_HALF)


def belongs(item: StoredItem, tag: str) -> bool:
    """Whether the item was made for the resource of that tag."""
    suffix = item.friendly_name.rpartition("-")[2]
    return len(suffix) == 2 * _HALF and suffix.startswith(tag)


def stands_for(item: StoredItem, name: ItemName) -> bool:
    return item.friendly_name.endswith(f"-{name.resource_tag}{name.content_tag}")
