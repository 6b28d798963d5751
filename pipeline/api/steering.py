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
from pipeline.ledger.commands import NOT_DONE, TOO_LATE, find_answer, is_run_at_work, send_command

PATIENCE_S = 30.0
"""A run answers within a second, unless its machine is very busy."""
_LOOK_EVERY_S = 0.2
_NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


class NotAnswered(CallsheetError):  # noqa: N818 - named for what it says, as its base's tree
    """A run was sent a command and did not answer; it may still obey."""


def is_at_work(campaign: LoadedCampaign) -> bool:
    """Tell whether a run of the campaign is at work, in whatever process."""
    where = campaign.request.where
    return bool(where.database.find_owner()) and is_run_at_work(where, campaign.name)


def steer_run(
    campaign: LoadedCampaign,
    command: str,
    arguments: Mapping[str, Any] = _NO_ARGUMENTS,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> str:
    """Send a command to the campaign's run and return its answer, in words.

    InvalidInput if no run of it is at work, or if it cannot do that; NotAnswered if it says nothing
    for 30 s.
    """
    where = campaign.request.where
    # Whoever works with the ledger is the run: a command to nobody would wait for the next one.
    if not is_at_work(campaign):
        raise usage(f"no run of {campaign.name} is at work in {where}")
    command_id = send_command(
        where, campaign.name, command, arguments, at=datetime.now(UTC).timestamp()
    )
    for _ in range(round(PATIENCE_S / _LOOK_EVERY_S)):
        answer = find_answer(where, command_id)
        if answer is not None:
            if answer == TOO_LATE or answer.startswith(NOT_DONE):
                raise usage(answer)
            return answer
        sleep(_LOOK_EVERY_S)
    raise NotAnswered(
        f"the run in {where} has not answered for {PATIENCE_S:g} s; it may still obey"
    )
