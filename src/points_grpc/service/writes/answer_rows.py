"""The rows that keep what a batch has answered, under the request ids of its items."""

from __future__ import annotations

from collections.abc import Sequence

from points_grpc.domain.commands import ChangeLotState, UpdateExpiry
from points_grpc.domain.results import Answer
from points_grpc.service.writes.apply import KeptAnswer
from points_grpc.service.writes.former_request_ids import NamedIds
from points_grpc.service.writes.resolve import WorkItem
from points_grpc.service.writes.work import CallId
from points_grpc.storage.ledger.requests import RequestKey
from points_grpc.storage.ledger.stored_answers import APART, pack, pack_places


class AnswerRows:
    """Collects the rows of stored answers of a batch, call by call."""

    def __init__(self, by_name: NamedIds) -> None:
        self._by_name = by_name
        self._content: dict[RequestKey, bytes] = {}
        self._rows: list[KeptAnswer] = []
        self._guards: dict[RequestKey, KeptAnswer] = {}

    def has_other_content(self, item: WorkItem) -> bool:
        """Return whether the batch has stored another request under the item's request id."""
        content, mark = self._content, item.fingerprint
        if item.home is None or not content:
            return False
        if content.get(item.home, mark) != mark:
            return True
        return item.call_id is not None and content.get(item.call_id.key, mark) != mark

    def keep(self, first: Sequence[tuple[WorkItem, Answer]]) -> None:
        """Add the first answers of items of one call."""
        moved: dict[RequestKey, list[tuple[WorkItem, Answer]]] = {}
        for item, answer in first:
            if item.home is None:
                continue
            if isinstance(item.command, UpdateExpiry):
                moved.setdefault(item.home, []).append((item, answer))
            else:
                # The key of a state move is the same in the release before, which may read this.
                is_shared = isinstance(item.command, ChangeLotState) and self._by_name.is_keeping
                row = pack(answer, for_release_before=is_shared)
                self._put(item, KeptAnswer(item.home, item.fingerprint, row))
        for home, pairs in moved.items():
            self._keep_moved(home, pairs)
        self._rows += self._by_name.rows(first)

    def rows(self) -> list[KeptAnswer]:
        """Return all rows; rows for former members leave keys alone that the batch has used."""
        if self._guards:
            used = {row.key for row in self._rows}
            self._rows += [row for key, row in self._guards.items() if key not in used]
        return self._rows

    def _keep_moved(self, home: RequestKey, pairs: Sequence[tuple[WorkItem, Answer]]) -> None:
        """Add one member's answers: in one row, except those that were decided later."""
        item = pairs[0][0]
        call, mark = item.call_id, item.fingerprint
        since = None if call is None else call.since
        if not item.is_kept and home not in self._content:
            row = pack_places([(_place_of(of), answer) for of, answer in pairs])
            self._put(item, KeptAnswer(home, mark, row, since))
        else:
            self._rows += [
                KeptAnswer(of.key, mark, pack(answer), since)
                for of, answer in pairs
                if of.key is not None
            ]
        if call is not None and call.names_several:
            self._keep_call(call, mark)

    def _keep_call(self, call: CallId, mark: bytes) -> None:
        if not call.is_kept and call.key not in self._content:
            self._content[call.key] = mark
            self._rows.append(KeptAnswer(call.key, mark, APART, call.since))

    def _put(self, item: WorkItem, row: KeptAnswer) -> None:
        self._content[row.key] = row.fingerprint
        self._rows.append(row)
        for key in item.former:
            self._guards[key] = KeptAnswer(key, row.fingerprint, row.answer, row.since)


def _place_of(item: WorkItem) -> int:
    return item.command.index if isinstance(item.command, UpdateExpiry) else 0
