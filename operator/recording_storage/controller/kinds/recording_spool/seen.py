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
        self._heard: set[tuple[Folder, str]] = set()
        """Those that were told as heard of: by the time of the next whole answer the clock has gone on."""
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
            self._tell_heard(info)
        return answer.spools

    def whole(self, answer: Spools) -> list[SpoolInfo]:
        """Take the answer that has them all; those that have come, gone, or differ in whether they are heard of."""
        before = {_key(info): info for info in self.all()}
        self._note(answer)
        self._infos = {}
        changed = []
        for info in answer.spools:
            self.take(info)
            old = before.pop(_key(info), None)
            heard_anew = self._tell_heard(info)
            if old is None or heard_anew or _told(old) != _told(info):
                changed.append(info)
        self._heard -= before.keys()
        changed += before.values()
        return changed

    def _tell_heard(self, info: SpoolInfo) -> bool:
        """Whether that is another word than the last one."""
        heard, key = self.heard(info), _key(info)
        if heard == (key in self._heard):
            return False
        (self._heard.add if heard else self._heard.discard)(key)
        return True

    def _note(self, answer: Spools) -> None:
        self.revision, self._moment = answer.revision, answer.server_time


def _told(info: SpoolInfo) -> SpoolInfo:
    """All of it but when it was heard of."""
    return info.replace(last_seen=info.first_seen, live=True)


def _key(info: SpoolInfo) -> tuple[Folder, str]:
    return folder_of(info), info.spool_id


def folder_of(info: SpoolInfo) -> Folder:
    return info.namespace, info.place.claim, folder(info.place.sub_path)
