"""Tasks that are due in the same moment are asked for in one question, where the provider takes it.

What a group's reply says of a task is read as if that task had been asked for alone. Where the
reply leaves that open each is asked for alone, and so is now and then a task that replies lack:
how many tasks a question may name need not be documented.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.providers.base import Absent, TaskRef, TaskState
from pipeline.run.provider_client import ProviderClient

_TICKS = 16
"""At least so many in each gap between two questions: so little later than due may one come."""
_ALONE = 8
"""Of the questions for a task that replies lack the first in so many is for it alone."""


@dataclass(slots=True)
class _StatusGroup:
    tasks: list[TaskRef] = field(default_factory=list)
    states: Mapping[str, TaskState] = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


def next_tick(at_s: float, gap_s: float) -> float:
    """Return when a question is sent that is due then, so that others may be due with it.

    Never earlier. Ticks of long gaps are ticks of shorter ones too: all kinds of tasks meet there.
    """
    if gap_s <= 0:
        return at_s
    tick_s = 2.0 ** math.floor(math.log2(gap_s / _TICKS))
    return math.ceil(at_s / tick_s) * tick_s


class GroupedPolls:
    """Asks for the tasks of one lane."""

    def __init__(self, client: ProviderClient) -> None:
        self._client = client
        self._most = client.offer.status_group
        self._open: _StatusGroup | None = None
        self._lacked: dict[str, int] = {}
        """How many replies in a row said nothing of a task."""

    async def status(self, task: TaskRef) -> TaskState:
        """Ask for a task, with those that are asked for in the same moment."""
        lacked = self._lacked.get(task.task, 0)
        if self._most == 1 or lacked % _ALONE == 1:
            state = await self._client.status(task)
        else:
            state = await self._ask_together(task)
        if isinstance(state, Absent):
            self._lacked[task.task] = lacked + 1
        else:
            self._lacked.pop(task.task, None)
        return state

    async def _ask_together(self, task: TaskRef) -> TaskState:
        group, leads = self._open or _StatusGroup(), self._open is None
        group.tasks.append(task)
        self._open = group if len(group.tasks) < self._most else None
        if leads:
            await self._ask(group)
        else:
            await group.answered.wait()
        state = group.states.get(task.task)
        return await self._client.status(task) if state is None else state

    async def _ask(self, group: _StatusGroup) -> None:
        """Ask for all of a group, for the first of them: it may be cancelled, and they go on."""
        try:
            # Who wakes in the same turn of the loop joins.
            await asyncio.sleep(0)
            self._close(group)
            if len(group.tasks) > 1:
                states = await self._client.statuses(group.tasks)
                if states is None:
                    self._most = 1
                group.states = states or {}
        finally:
            self._close(group)
            group.answered.set()

    def _close(self, group: _StatusGroup) -> None:
        if self._open is group:
            self._open = None
