"""Plans of many items on a server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from pipeline.api.campaign_plan import sync_campaign
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.api.roots import open_for_work
from tests.bench.bare_loop import write_campaign
from tests.postgresql import PostgresqlServer

_ITEMS = 8_000
_LONGEST = "5s"
"""Of these items the longest statement takes 0.1 s, 0.7 beside much other work; where each is
compared with each, 20 s."""


def test_no_statement_compares_each_item_with_each(
    postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    """The server plans by what a draft has: it knows nothing of temporary tables by itself."""
    url = postgresql_server.database()
    with psycopg.connect(url, autocommit=True) as connection:
        name = urlsplit(url).path.removeprefix("/")
        connection.execute(f"ALTER DATABASE {name} SET statement_timeout = '{_LONGEST}'")
    manifest = write_campaign(tmp_path, _ITEMS)
    request = CampaignRequest(
        manifest=manifest, project=project_of(manifest), root=tmp_path / "root", ledger=url
    )
    with open_for_work(request) as ledger, open_for_work(request) as other:
        for _ in range(2):
            summary = sync_campaign(load_campaign(request), ledger)
            assert _ITEMS == summary.to_make.items
        # Held against what another process has planned, and is about to run.
        part = load_campaign(replace(request, first=_ITEMS - 1))
        assert _ITEMS - 1 == sync_campaign(part, other).to_make.items
