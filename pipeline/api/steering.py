"""Steer a run that another process has at work in a root, through its ledger.

A command is written there, read by the run each second, done, and answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from pipeline.api.campaign_request import usage
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.errors import CallsheetError
from pipeline.ledger.commands import find_answer, send_command

PATIENCE_S = 30.0
"""A run answers within a second, unless its machine is very busy."""
_LOOK_EVERY_S = 0.2
_NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


class NotAnswered(CallsheetError):  # noqa: N818 - named for what it says, as its base's tree
    """A run was sent a command and did not answer; it may still obey."""


def steer_run(
    campaign: LoadedCampaign,
    command: str,
    arguments: Mapping[str, Any] = _NO_ARGUMENTS,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> str:
    """Send a command to the campaign's run and return its answer, in words.

    InvalidInput if no run is at work in the root, NotAnswered if it says nothing for 30 s.
    """
    where = campaign.request.where
    # Whoever works with the ledger is the run: a command to nobody would wait for the next one.
    if not where.database.find_owner():
        raise usage(f"no run is at work in {where}")
    command_id = send_command(
        where, campaign.name, command, arguments, at=datetime.now(UTC).timestamp()
    )
    for _ in range(round(PATIENCE_S / _LOOK_EVERY_S)):
        answer = find_answer(where, command_id)
        if answer is not None:
            return answer
        sleep(_LOOK_EVERY_S)
    raise NotAnswered(
        f"the run in {where} has not answered for {PATIENCE_S:g} s; it may still obey"
    )
