"""The forecast of a campaign with `accept`: made of its places, kept by runs, compared later.

Each run keeps the forecast that it began with, in `.callsheet/forecasts/<campaign>.ndjson` below
the root. It is a memory and no account: without it only the comparison is missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.places import read_places
from pipeline.domain.acceptance import DECIDED, Each, NextRound, PlaceHistory, PlaceState
from pipeline.domain.forecast import (
    LEAST_DECISIONS,
    CampaignForecast,
    Forecast,
    Interval,
    PastForecast,
    review_forecast,
)
from pipeline.domain.loop_places import LoopPlace, ReviewedTake
from pipeline.ledger.repository import Ledger
from pipeline.plan.cells import cells
from pipeline.plan.row_groups import row_groups
from pipeline.storage.fs import STATE_FOLDER
from pipeline.storage.shared_file import change_file

if TYPE_CHECKING:  # NumPy is slow to load
    from pipeline.plan.campaign_forecast import PlaceProgress


def find_forecast(campaign: LoadedCampaign, ledger: Ledger) -> CampaignForecast | None:
    """Return how the campaign ends; None without `accept`, or with fewer than 30 decisions.

    Of all its places, whatever is selected, as the latest plan of the ledger has them.
    """
    if not campaign.manifest.budget.accepts:
        return None
    return forecast_places(campaign, list(read_places(campaign, ledger)))


def forecast_places(
    campaign: LoadedCampaign, places: Sequence[LoopPlace]
) -> CampaignForecast | None:
    """Return the same of the campaign's places that were read."""
    decided = sum(len(_decision_times(place.begun)) for place in places)
    if decided < LEAST_DECISIONS:
        return None
    import numpy as np  # noqa: PLC0415 - slow to load, seldom needed

    from pipeline.plan.campaign_forecast import forecast_end  # noqa: PLC0415 - the same

    # The same decisions have the same forecast, however often it is asked for.
    seed = [zlib.crc32(campaign.name.encode()), decided]
    found = forecast_end(_progress(campaign, places), np.random.default_rng(seed))
    if found is None:
        return None
    bound_usd = sum((place.cost.bound_usd for place in places), Decimal(0))
    earlier = [
        past
        for past in past_forecasts(campaign)
        if past.forecast.decisions < found.decisions and past.forecast.places == found.places
    ]
    return CampaignForecast(
        forecast=found,
        bound_usd=bound_usd,
        review=review_forecast(earlier[-1], found, bound_usd) if earlier else None,
    )


def record_forecast(campaign: LoadedCampaign, found: CampaignForecast, now: datetime) -> None:
    """Keep a forecast, unless one is kept that knew as many decisions."""
    past = PastForecast(at=now, bound_usd=found.bound_usd, forecast=found.forecast)
    line = orjson.dumps(asdict(past), default=str).decode() + "\n"

    def add(text: str) -> str:
        kept = list(_read_lines(text))
        if kept and kept[-1].forecast.decisions == found.forecast.decisions:
            return text
        return text + line

    # For want of a comparison no run fails.
    with suppress(OSError):
        change_file(_forecast_file(campaign), add)


def past_forecasts(campaign: LoadedCampaign) -> list[PastForecast]:
    """Return the forecasts that runs of the campaign began with, the oldest first."""
    try:
        text = _forecast_file(campaign).read_text("utf-8", "replace")
    except OSError:
        return []
    return list(_read_lines(text))


def _forecast_file(campaign: LoadedCampaign) -> Path:
    return campaign.request.home / STATE_FOLDER / "forecasts" / f"{campaign.name}.ndjson"


def _read_lines(text: str) -> Iterator[PastForecast]:
    """Yield the forecasts of a file; a line that cannot be read is none."""
    for line in text.splitlines():
        with suppress(ValueError, TypeError, KeyError, ArithmeticError):
            yield _past_forecast(orjson.loads(line))


def _past_forecast(data: Mapping[str, Any]) -> PastForecast:
    told = dict(data["forecast"])
    money, stuck, rate = (told.pop(name) for name in ("money_usd", "stuck", "approval_rate"))
    return PastForecast(
        at=datetime.fromisoformat(data["at"]).astimezone(UTC),
        bound_usd=Decimal(data["bound_usd"]),
        forecast=Forecast(
            **told,
            money_usd=Interval(*(Decimal(money[name]) for name in _ENDS)),
            stuck=Interval(*(int(stuck[name]) for name in _ENDS)),
            approval_rate=Interval(*(float(rate[name]) for name in _ENDS)),
        ),
    )


_ENDS = ("low", "median", "high")


def _progress(campaign: LoadedCampaign, places: Iterable[LoopPlace]) -> Iterator[PlaceProgress]:
    """Yield what the forecast goes by: of each place, or of each row whose cells are in turn."""
    from pipeline.plan.campaign_forecast import (  # noqa: PLC0415 - NumPy is slow to load
        CellHistory,
        place_progress,
    )

    manifest = campaign.manifest
    by_table = {name: row_groups(table) for name, table in manifest.tables.items()}
    of_shots = {shot.id: by_table.get(shot.table or "", {}) for shot in manifest.shots}
    cell_counts = {shot.id: len(cells(shot.variants)[0]) for shot in manifest.shots}
    for (shot, row), of_row in groupby(places, key=lambda place: (place.shot, place.row_key)):
        found = list(of_row)
        policy = found[0].policy
        histories = [
            CellHistory(
                place=_history(place), stands=place.next, decided_at=_decision_times(place.begun)
            )
            for place in found
        ]
        if policy.each is Each.ROW:
            # What is not planned yet is tried last.
            price_usd = found[0].price_usd
            untried = CellHistory(
                place=PlaceHistory(price_usd=price_usd), stands=NextRound(state=PlaceState.SPARE)
            )
            whole = [[*histories, *[untried] * (cell_counts.get(shot, 0) - len(found))]]
        else:
            whole = [[history] for history in histories]
        for cell_histories in whole:
            yield place_progress(
                policy, cell_histories, shot=shot, row_group=of_shots.get(shot, {}).get(row, "")
            )


def _history(place: LoopPlace) -> PlaceHistory:
    return PlaceHistory(
        takes=tuple(known for each in place.takes if (known := each.place_take)),
        bound_usd=place.cost.bound_usd,
        price_usd=place.price_usd,
    )


def _decision_times(takes: Sequence[ReviewedTake]) -> dict[int, float]:
    """Return when takes were approved or rejected, by number, in seconds."""
    return {
        each.number: max(said.at for said in each.decisions).timestamp()
        for each in takes
        if each.verdict in DECIDED
    }
