"""The ledger's tables; what changed in them since the first version is in `migrations`.

Money is whole micro-USD, times are seconds since 1970 UTC, digests are hex. Nothing that was
paid for is ever deleted.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from pipeline.domain.states import UNSETTLED
from pipeline.ledger.history_tables import TEXT, history_tables

METADATA = MetaData()
# SQLite gives its row ids to "INTEGER PRIMARY KEY" alone; PostgreSQL wants room to grow.
_ID = BigInteger().with_variant(Integer, "sqlite")
_MICRO = Decimal(1_000_000)


def _texts(*names: str) -> list[Column[str]]:
    """Return columns of text that is empty where there is nothing to say."""
    return [Column(name, TEXT, nullable=False, server_default="") for name in names]


def _mandatory_texts(*names: str) -> list[Column[str]]:
    return [Column(name, TEXT, nullable=False) for name in names]


campaigns = Table(
    "campaigns",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
    Column("generation", BigInteger, nullable=False, server_default="0"),
    Column("purchases", Integer, nullable=False, server_default="2"),
    Column("manifest", TEXT, nullable=False, server_default="", index=True),
)
"""One line per manifest name and profile; `generation` counts the plans admitted.

`purchases` is how often the last plan may buy one key by itself. `manifest` is the name without
the profile: the limits of a budget are one for all profiles.
"""

items = Table(
    "items",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("campaign_id", _ID, ForeignKey("campaigns.id"), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    *_mandatory_texts("address", "output", "extension", "output_folded", "key"),
    Column("own_key", TEXT, nullable=False, server_default=""),
    Column("earlier_rule", Integer, nullable=False, server_default="0"),
    Column("stale", Integer, nullable=False, server_default="0"),
    Column("previous_key", TEXT, nullable=False, server_default=""),
    Column("shared_with", _ID),
    *_mandatory_texts("shot", "row_key", "provider"),
    *_texts("model", "mode", "kind"),
    Column("seconds", Float),
    Column("low_microusd", BigInteger),
    Column("expected_microusd", BigInteger),
    Column("high_microusd", BigInteger),
    Column("payload_digest", TEXT, nullable=False),
    Column("selected", Integer, nullable=False, server_default="1"),
    UniqueConstraint("campaign_id", "address", name="one_item_per_address"),
    # By generation: a path may go from an item of the last plan to another one of this plan.
    UniqueConstraint("campaign_id", "generation", "output_folded", name="one_item_per_output"),
)
"""What was asked for. An item of an older generation than its campaign's is orphaned.

`selected` tells whether the next run may buy it: each admission says so anew. `key` is that of its
job; it differs from `own_key`, which follows from the manifest, where the clip of another key does
as well: `earlier_rule` tells that an earlier recipe made that key, `stale` that a person approved
its clip, and that it is other work.
"""

Index("items_in_order", items.c.campaign_id, items.c.generation, items.c.position)
Index("items_by_key", items.c.key, items.c.campaign_id, items.c.generation, items.c.position)

payloads = Table(
    "payloads",
    METADATA,
    Column("item_id", _ID, ForeignKey("items.id"), primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
"""What else is known of an item, as JSON: the request, its assets, what the report shows."""

FALLBACK_COLUMNS = (
    *("provider", "model", "mode", "kind", "seconds"),
    *("low_microusd", "expected_microusd", "high_microusd", "payload_digest"),
)
"""What is another's of an item when another provider makes it."""

fallbacks = Table(
    "fallbacks",
    METADATA,
    Column("item_id", _ID, ForeignKey("items.id"), primary_key=True, autoincrement=False),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    *(
        Column(name, like.type, nullable=like.nullable, server_default=like.server_default)
        for name, like in ((name, items.c[name]) for name in FALLBACK_COLUMNS)
    ),
    Column("data", LargeBinary, nullable=False),
)
"""To whom items of a latest plan may move on when their provider's lane stops, best first.

`data` is what takes the place of the item's payload then.
"""

standing_plans = Table(
    "standing_plans",
    METADATA,
    # No foreign key: a draft shadows this table and not always that of the campaigns.
    Column("campaign_id", _ID, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Column("purchase_id", BigInteger, nullable=False),
    *_mandatory_texts("inputs"),
    Column("rows", LargeBinary, nullable=False),
    Column("told", LargeBinary, nullable=False),
)
"""What a campaign's latest plan was made from, so that it need not be made again (`standing_plan`).

A plan of another generation than its campaign's stands no more. `purchase_id` is the last purchase
that the plan is known to agree with.
"""

settled_locks = Table(
    "settled_locks",
    METADATA,
    Column("campaign", TEXT, primary_key=True),
    *_mandatory_texts("text_sha256", "made_sha256"),
)
"""A campaign's lock file of which every clip is a finished job's here: it tells nothing more.

`text_sha256` is of its text, `made_sha256` of the finished items that it was last written from.
"""

jobs = Table(
    "jobs",
    METADATA,
    Column("key", TEXT, primary_key=True),
    Column("item_id", _ID, nullable=False),
    *_mandatory_texts("provider", "state"),
    *_texts("cause", "message"),
    Column("free", Integer, nullable=False, server_default="0"),
    Column("purchase_id", _ID),
    *_texts("sha256", "owner"),
    Column("epoch", BigInteger, nullable=False, server_default="0"),
    Column("unwanted", Integer, nullable=False, server_default="0"),
)
"""What is being made, one line per key; `item_id` is the item it was last planned for.

`owner` and `epoch` tell whose a job under way is (`owners`); both are empty for one that nobody has
taken up. `unwanted` tells that somebody left it out after it was sent: it is collected all the
same, for it is paid for.
"""

Index("jobs_by_state", jobs.c.state, jobs.c.provider)
UNSETTLED_TEXTS = ", ".join(f"'{state.value}'" for state in UNSETTLED)
still_unsettled = text(f"jobs.state IN ({UNSETTLED_TEXTS})")
"""The condition of the index below: a query finds it by these very words."""
Index(
    "jobs_unsettled",
    jobs.c.provider,
    jobs.c.purchase_id,
    sqlite_where=text(f"state IN ({UNSETTLED_TEXTS})"),
    postgresql_where=text(f"state IN ({UNSETTLED_TEXTS})"),
)

purchases = Table(
    "purchases",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("key", TEXT, nullable=False, index=True),
    Column("provider", TEXT, nullable=False),
    Column("campaign_id", _ID, nullable=False),
    Column("run_id", _ID),
    *_mandatory_texts("address", "row_key"),
    Column("client_id", TEXT, nullable=False, unique=True),
    Column("request", LargeBinary, nullable=False),
    Column("body_sha256", TEXT, nullable=False),
    # NULL before it is known: empty texts would clash with each other, NULLs do not.
    Column("task", TEXT),
    Column("reserved_microusd", BigInteger, nullable=False),
    Column("estimate_microusd", BigInteger),
    Column("charged_microusd", BigInteger, nullable=False, server_default="0"),
    Column("possible_microusd", BigInteger, nullable=False, server_default="0"),
    *_texts("charged_native", "native_unit", "charge_source"),
    Column("intent_at", Float, nullable=False),
    Column("accepted_at", Float),
    Column("ended_at", Float),
    *_texts("outcome", "model", "mode", "kind"),
    Column("seconds", Float),
    Column("sends", Integer, nullable=False, server_default="1"),
    Column("account", TEXT, nullable=False, server_default=""),
    *_texts("seed"),
    Column("nsfw", Integer),
    Column("fetched_at", Float),
    UniqueConstraint("provider", "task", name="one_purchase_per_task"),
)
"""One line per paid try, written before its request leaves.

`seed` and `nsfw` are what the provider tells of the result; NULL where it does not judge it.
`accepted_at` is when the provider named its task, `ended_at` when it said that the task had ended,
`fetched_at` when the clip was in the store, verified.

A try that was refused and is sent again under its client id is the same line: `sends` counts.
`account` is the name of the account it was sent from, never its key; empty for the one without a
name. The frozen request has the key's fingerprint.
"""

budgets = Table(
    "budgets",
    METADATA,
    Column("scope", TEXT, primary_key=True),
    Column("committed_microusd", BigInteger, nullable=False, server_default="0"),
    Column("closed", Integer, nullable=False, server_default="0"),
)
"""Charged + reserved + possible per scope; a closed scope admits no further purchase."""

price_confirmations = Table(
    "price_confirmations",
    METADATA,
    Column("provider", TEXT, primary_key=True),
    Column("model", TEXT, primary_key=True),
    Column("mode", TEXT, primary_key=True),
    Column("kind", TEXT, primary_key=True),
    Column("source", TEXT, nullable=False, server_default=""),
    Column("seconds", Float),
    *_texts("native", "native_unit"),
    Column("native_seconds", Float),
    Column("charged_microusd", BigInteger, nullable=False, server_default="0"),
    Column("charged_seconds", Float),
    Column("estimate_microusd", BigInteger, nullable=False, server_default="0"),
    Column("task", TEXT, nullable=False, server_default=""),
    Column("at", Float, nullable=False),
)
"""What purchases have shown of each price: `prices.SeenPrice` says what the columns mean."""

price_quotes = Table(
    "price_quotes",
    METADATA,
    *(Column(name, TEXT, primary_key=True) for name in ("provider", "model", "kind", "mode")),
    Column("seconds", Float, primary_key=True),
    Column("microusd", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
)
"""What a provider's dry run named for items of one length; how long it holds: `price_quotes`."""

runs = Table(
    "runs",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("campaign_id", _ID, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("exit_code", Integer),
)

uploads = Table(
    "uploads",
    METADATA,
    Column("digest", TEXT, primary_key=True),
    Column("provider", TEXT, primary_key=True),
    Column("account", TEXT, primary_key=True),
    Column("uri", TEXT, nullable=False),
    Column("expires_at", Float),
)

clips = Table(
    "clips",
    METADATA,
    Column("sha256", TEXT, primary_key=True),
    Column("extension", TEXT, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("seconds", Float),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("fps", Float),
    Column("signature", TEXT, nullable=False, server_default=""),
)
"""`signature` is the file's in the store when its bytes were last known to be right
(`disk.signature`); empty where nobody looked since the column was added."""

outputs = Table(
    "outputs",
    METADATA,
    Column("item_id", _ID, primary_key=True, autoincrement=False),
    Column("role", TEXT, primary_key=True, server_default="clip"),
    *_mandatory_texts("path", "sha256"),
    Column("signature", TEXT, nullable=False, server_default=""),
    Column("mode", Integer),
)
"""What stands at an item's output paths, by our own doing; relative to the root.

An item has one file in each `role`: the clip, and later on what is made from it.

`signature` as in `clips`; `mode` is the file's permissions as we gave them.
"""

events = Table(
    "events",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("at", Float, nullable=False),
    *_mandatory_texts("name", "provider", "address"),
    Column("detail", LargeBinary, nullable=False),
    *_texts("campaign"),
)
"""Of an event that an earlier version wrote down the campaign is not known."""

commands = Table(
    "commands",
    METADATA,
    Column("id", _ID, primary_key=True),
    *_mandatory_texts("campaign", "name"),
    Column("arguments", LargeBinary, nullable=False),
    Column("sent_at", Float, nullable=False),
    Column("answer", TEXT),
    Column("answered_at", Float),
)
"""What a running run was told to do by another process, and what it answered."""

losses = Table(
    "losses",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("campaign", TEXT, nullable=False),
    Column("at", Float, nullable=False),
    Column("intents", BigInteger, nullable=False),
    Column("partly", Boolean, nullable=False, default=False),
    Column("evidence", LargeBinary, nullable=False),
)
"""What an earlier ledger of this root knew and this one does not; `evidence` is JSON.

With an empty campaign: this ledger was begun where there had been one. With a campaign: a person
agreed to go on without so many of its purchases (`run --buy-again`), and without whatever was known
to be lost before that line. `partly`: for some of its items only, so that the loss stays open.
"""

set_aside = Table(
    "set_aside",
    METADATA,
    Column("sha256", TEXT, primary_key=True),
    Column("extension", TEXT, nullable=False),
    Column("partly", Boolean, nullable=False, default=False),
)
"""Clips in the store that no purchase knows, and that a person agreed to go on without.

`partly`: for some items only. It may be replaced where it lies, and is lost all the same.
"""

purchases_by_campaign = Index("purchases_by_campaign", purchases.c.campaign_id)
purchases_by_place = Index("purchases_by_place", purchases.c.campaign_id, purchases.c.address)
purchases_by_row = Index("purchases_by_row", purchases.c.campaign_id, purchases.c.row_key)


def is_take_of(address: ColumnElement[str], place: str) -> ColumnElement[bool]:
    """Return the condition that an address is a take of a place, capitals and all.

    A range, so that the index serves: `$` comes next to `#`. LIKE would take either case in SQLite.
    """
    return (address > f"{place}#") & (address < f"{place}$")


root_identity = Table(
    "root_identity",
    METADATA,
    Column("nonce", TEXT, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("path", LargeBinary, nullable=False),
)
"""One line: whose ledger this is; the path as the file system's own bytes."""

task_durations, lane_widths = history_tables(METADATA)
owners = Table(
    "owners",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("lease_s", Float, nullable=False),
    Column("transactions", BigInteger, nullable=False, server_default="0"),
    *_texts("ended_by", "process"),
)
"""Who works with the ledger, a line a process: `owners.Owner` says what the columns mean.

`seen_at` is when it last renewed its lease, by the database's clock. `transactions` counts what it
committed, on a server. `ended_by` is who found its lease ended, and raised its epoch.
"""

lane_shares = Table(
    "lane_shares",
    METADATA,
    *(Column(name, TEXT, primary_key=True) for name in ("owner", "provider", "account")),
    *_mandatory_texts("fingerprint", "campaign"),
    Column("most", BigInteger, nullable=False),
    Column("said", BigInteger, nullable=False),
    Column("wanted", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("begins", Integer, nullable=False),
)
"""What each owner has and wants of a lane, on a server: `lane_shares` says what the columns mean.

`said` numbers the words of persons that have set `most`, the latest highest; 0 for what is set.
"""

run_plans = Table(
    "run_plans",
    METADATA,
    *(Column(name, TEXT, primary_key=True) for name in ("owner", "campaign")),
    Column("running", Integer, nullable=False, server_default="0"),
    *_texts("overtaken_by"),
)
"""Which campaigns each owner has planned, or runs, on a server (`run_plans`).

`overtaken_by` is who has published another plan before it was run.
"""

versions = Table("versions", METADATA, Column("version", Integer, primary_key=True))


def manifest_of(campaign: str) -> str:
    """Return the name of the manifest of a campaign: `spring` of `spring@draft`."""
    return campaign.partition("@")[0]


def micro(usd: Decimal) -> int:
    """Return USD as whole micro-USD, rounded up: nothing is reserved too low."""
    return int((usd * _MICRO).to_integral_value(ROUND_CEILING))


def micro_exact(usd: Decimal) -> int:
    """Return USD as the nearest whole micro-USD: what was charged is booked as it is.

    Less than one is booked as one: what cost something was not free.
    """
    return int((usd * _MICRO).to_integral_value(ROUND_HALF_EVEN)) or int(usd > 0)


def usd(microusd: int) -> Decimal:
    """Return micro-USD as USD."""
    return Decimal(microusd) / _MICRO
