"""What the store has heard of spools, as it was last asked; in memory, so a restart asks anew."""

from datetime import datetime, timedelta

from recording_storage.controller.kinds.recording_spool.observed import folder
from recording_storage.protocol.spools import SpoolInfo, Spools, SpoolStanding

HEARD = timedelta(seconds=35)
"""An uploader that is connected reports every twenty seconds; this long after its last one it counts as gone."""

Folder = tuple[str, str, str]
"""Namespace, claim, folder on it."""


class Seen:
    def __init__(self) -> None:
        self._infos: dict[Folder, dict[str, SpoolInfo]] = {}
        """By folder and spool."""
        self._moment: datetime | None = None
        """The store's clock."""
        self.revision: int | None = None
        """Of the store's last answer; None: it has not been asked yet."""

    def at(self, namespace: str, claim: str, sub_path: str) -> list[SpoolInfo]:
        """Spools that were found there, the one that counts first.

        There are several where an id was lost, or a pod says what is not so: one that is assigned counts as long as its
        uploader is heard of, then the one that was heard of last.
        """
        found = self._infos.get((namespace, claim, sub_path), {})
        return sorted(found.values(), key=self._rank, reverse=True)

    def _rank(self, info: SpoolInfo) -> tuple[bool, datetime]:
        return info.standing is SpoolStanding.ASSIGNED and self.heard(info), info.last_seen

    def heard(self, info: SpoolInfo) -> bool:
        """Whether its uploader has been heard of lately."""
        return self._moment is not None and self._moment - info.last_seen < HEARD

    def all(self) -> list[SpoolInfo]:
        return [info for each in self._infos.values() for info in each.values()]

    def take(self, info: SpoolInfo) -> None:
        self._infos.setdefault(folder_of(info), {})[info.spool_id] = info

    def changed(self, answer: Spools) -> list[SpoolInfo]:
        """Take the answer to what has changed since `revision`; those."""
        self._note(answer)
        for info in answer.spools:
            self.take(info)
        return answer.spools

    def whole(self, answer: Spools) -> list[SpoolInfo]:
        """Take the answer that has them all; those that have come, gone, or differ in whether they are heard of."""
        before = {(folder_of(info), info.spool_id): (info, self.heard(info)) for info in self.all()}
        self._note(answer)
        self._infos = {}
        changed = []
        for info in answer.spools:
            self.take(info)
            old, heard = before.pop((folder_of(info), info.spool_id), (None, False))
            if old is None or heard != self.heard(info) or _told(old) != _told(info):
                changed.append(info)
        changed += [old for old, _ in before.values()]
        return changed

    def _note(self, answer: Spools) -> None:
        self.revision, self._moment = answer.revision, answer.server_time


def _told(info: SpoolInfo) -> SpoolInfo:
    """All of it but when it was heard of."""
    return info.replace(last_seen=info.first_seen, live=True)


def folder_of(info: SpoolInfo) -> Folder:
    return info.namespace, info.place.claim, folder(info.place.sub_path)
