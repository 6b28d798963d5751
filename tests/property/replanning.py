"""A small campaign that is edited at random, planned from what stands and anew beside it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image
from sqlalchemy import text

from pipeline.api.campaign_plan import sync_campaign
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.decision_file import decisions_path
from pipeline.api.loaded_campaign import LoadedCampaign, load_campaign
from pipeline.api.project_file import project_of
from pipeline.domain.review import TakeDecision, Verdict
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.ledger.repository import Ledger
from pipeline.plan.decision_text import write_decisions
from pipeline.run.plan_sync import PlanSummary

Came = PlanSummary | tuple[Finding, ...]
"""What planning came to: where the manifest cannot be read, its findings."""
_WORDS = ("a red mug", "a blue mug", "a jug")
_FOLDERS = ("one", "two")
_PHOTOS = ("a.png", "b.png")
_AXES = ("[calm]", "[calm, bold]", "[bold, calm, warm]")
_PROMPTS = (
    "{{ product.name }} turns, {{ variant.mood }}",
    "{{ product.name }} stands, {{ variant.mood }}",
    "A mug, {{ variant.mood }}",
    # Here an axis changes nothing, of which a plan warns.
    "{{ product.name }} turns",
)
_OUTPUTS = (
    "{{ product.folder }}/{{ row_key }}-{{ cell }}.{{ ext }}",
    "{{ row_key }}/{{ product.folder }}-{{ cell }}.{{ ext }}",
    # Rows have the same path by this one, which is an error.
    "{{ product.folder }}.{{ ext }}",
)
_LIMITS = ("{limit: 900 USD}", "{limit: 900 USD, per_row: 2 USD}")


@dataclass(slots=True)
class Edited:
    """The folder of a campaign, and what stands in its files."""

    folder: Path
    chance: Random
    rows: list[dict[str, str]] = field(default_factory=list)
    prompt: str = _PROMPTS[0]
    output: str = _OUTPUTS[0]
    mood: str = _AXES[1]
    mode: str = "std"
    budget: str = _LIMITS[0]
    overrides: tuple[str, ...] = ()
    _made: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        for photo in _PHOTOS:
            self._paint(photo)
        for _ in range(6):
            self.add_row()
        self.write()

    @property
    def request(self) -> CampaignRequest:
        """How it is read now."""
        manifest = self.folder / "campaign.yaml"
        return CampaignRequest(
            manifest=manifest,
            project=project_of(manifest),
            root=self.folder / "out",
            rehearse=True,
            overrides=self.overrides,
        )

    @property
    def ledger(self) -> Path:
        """The file of its ledger."""
        return self.request.home / ".callsheet" / "ledger.db"

    def write(self) -> None:
        """Write manifest and table."""
        (self.folder / "campaign.yaml").write_text(
            f"""\
callsheet: 1
name: edited
tables: {{products: {{file: products.csv, key: sku, as: product}}}}
bundles: {{own: {{images: {{mug: {{file: "{{{{ product.photo }}}}", say: the mug}}}}}}}}
defaults: {{provider: runware, duration: 5, mode: {self.mode}}}
shots:
  - id: still
    for: products
    use: [own]
    prompt: "{self.prompt} beside @mug"
    output: {{path: "still/{self.output}"}}
    variants: {{matrix: {{mood: {self.mood}}}}}
  - id: spin
    for: products
    prompt: "{self.prompt}"
    output: {{path: "{self.output}"}}
    variants: {{matrix: {{aspect_ratio: ["9:16", "1:1"], mood: [calm]}}}}
budget: {self.budget}
""",
            "utf-8",
        )
        names = ("sku", "name", "folder", "photo")
        lines = [",".join(names), *(",".join(row[name] for name in names) for row in self.rows)]
        (self.folder / "products.csv").write_text("\n".join(lines) + "\n", "utf-8")

    def edit(self) -> str:
        """Change one thing at random; return what."""
        edits: Mapping[str, tuple[int, Callable[[], object]]] = {
            "cell": (30, self._edit_cell),
            "cell at its old times": (10, self._edit_cell_in_place),
            "added row": (4, self.add_row),
            "removed row": (4, self._remove_row),
            "swapped rows": (4, self._swap_rows),
            "prompt": (3, lambda: self._choose("prompt", _PROMPTS)),
            "output path": (1, lambda: self._choose("output", _OUTPUTS)),
            "variants": (3, lambda: self._choose("mood", _AXES)),
            "mode": (3, lambda: self._choose("mode", ("std", "pro"))),
            "budget": (1, lambda: self._choose("budget", _LIMITS)),
            "override": (2, lambda: self._choose("overrides", ((), ("defaults.duration=10",)))),
            "picture in place": (8, self._repaint),
            "price": (3, self._raise_price),
            "purchase": (12, lambda: self._buy("done", "done", "failed", "waiting")),
            "decision": (6, self._decide),
            "nothing": (4, lambda: None),
        }
        names = list(edits)
        (name,) = self.chance.choices(names, [weight for weight, _ in edits.values()])
        edits[name][1]()
        if name != "cell at its old times":
            self.write()
        return name

    def add_row(self) -> None:
        """Add a row at a random place."""
        self._made += 1
        pick = self.chance.choice
        row = {
            "sku": f"S{self._made:03}",
            "name": pick(_WORDS),
            "folder": pick(_FOLDERS),
            "photo": pick(_PHOTOS),
        }
        self.rows.insert(self.chance.randint(0, len(self.rows)), row)

    def _choose(self, name: str, values: tuple[Any, ...]) -> None:
        setattr(self, name, self.chance.choice(values))

    def _edit_cell(self) -> None:
        row = self.chance.choice(self.rows)
        name, values = self.chance.choice(
            (("name", _WORDS), ("folder", _FOLDERS), ("photo", _PHOTOS))
        )
        row[name] = self.chance.choice(values)

    def _edit_cell_in_place(self) -> None:
        table = self.folder / "products.csv"
        before = table.stat()
        row = self.chance.choice(self.rows)
        row["folder"] = {"one": "two", "two": "one"}[row["folder"]]
        self.write()
        os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert table.stat().st_size == before.st_size

    def _remove_row(self) -> None:
        if len(self.rows) > 2:
            self.rows.pop(self.chance.randrange(len(self.rows)))

    def _swap_rows(self) -> None:
        one, other = self.chance.sample(range(len(self.rows)), 2)
        self.rows[one], self.rows[other] = self.rows[other], self.rows[one]

    def _repaint(self) -> None:
        photo = self.folder / self.chance.choice(_PHOTOS)
        before = photo.stat()
        self._paint(photo.name)
        os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert photo.stat().st_size == before.st_size

    def _paint(self, name: str) -> None:
        colour = tuple(self.chance.randrange(256) for _ in range(3))
        picture = Image.new("RGB", (320, 320), colour)
        with (self.folder / name).open("r+b" if (self.folder / name).exists() else "wb") as file:
            picture.save(file, "png", compress_level=0)

    def _raise_price(self) -> None:
        microusd = self.chance.choice((0, 100, 3_000_000))
        self._execute(
            "INSERT OR REPLACE INTO price_confirmations"
            " (provider, model, mode, kind, charged_microusd, at)"
            " SELECT provider, model, mode, kind, ?, 0 FROM items LIMIT 1",
            microusd,
        )

    def _buy(self, *states: str) -> None:
        """Have some job done, failed or under way, as a run would leave it."""
        state = self.chance.choice(states)
        key = self._execute("SELECT key FROM jobs WHERE purchase_id IS NULL ORDER BY key")
        if not key:
            return
        (bought,) = self.chance.choice(key)
        self._execute(
            "INSERT INTO purchases (key, provider, campaign_id, address, row_key, client_id,"
            " request, body_sha256, reserved_microusd, charged_microusd, intent_at, accepted_at)"
            " SELECT jobs.key, jobs.provider, campaign_id, address, row_key, jobs.key, '{}', '',"
            " 0, 560000, 1, 1 FROM jobs JOIN items ON items.id = jobs.item_id WHERE jobs.key = ?",
            bought,
        )
        clip = bought[::-1] if state == "done" else ""
        if clip:
            self._execute(
                "INSERT INTO clips (sha256, extension, bytes, seconds, width, height)"
                " VALUES (?, 'mp4', 10, 5, 720, 1280)",
                clip,
            )
        self._execute(
            "UPDATE jobs SET state = ?, sha256 = ?,"
            " purchase_id = (SELECT id FROM purchases WHERE key = jobs.key) WHERE key = ?",
            *(state, clip, bought),
        )

    def _decide(self) -> None:
        self._buy("done")
        done = self._execute(
            "SELECT items.address, jobs.key, jobs.sha256 FROM jobs JOIN items"
            " ON items.id = jobs.item_id WHERE jobs.state = 'done' ORDER BY jobs.key"
        )
        if not done:
            return
        address, key, sha256 = self.chance.choice(done)
        decision = TakeDecision(
            take=1,
            key=key,
            sha256=sha256,
            verdict=self.chance.choice((Verdict.APPROVED, Verdict.REJECTED, Verdict.REROLL)),
            who="ana",
            at=datetime(2026, 6, 3, tzinfo=UTC),
        )
        path = decisions_path(self.request, "edited")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(write_decisions({address.rpartition("#")[0]: (decision,)}), "utf-8")

    def _execute(self, statement: str, *values: object) -> list[Any]:
        if not self.ledger.exists():
            return []
        with closing(sqlite3.connect(self.ledger)) as ledger:
            found = ledger.execute(statement, values).fetchall()
            ledger.commit()
        return found


def plan_both(edited: Edited, beside: Path) -> tuple[bool, tuple[Any, Any], tuple[Any, Any]]:
    """Plan from what stands, and anew in a copy of the ledger: what each comes to, and leaves.

    The first value tells that the plan was not made anew.
    """
    copied = beside / ".callsheet" / "ledger.db"
    shutil.rmtree(beside, ignore_errors=True)
    copied.parent.mkdir(parents=True)
    before = _generation(edited.ledger)
    if edited.ledger.exists():
        shutil.copy(edited.ledger, copied)
        with closing(sqlite3.connect(copied)) as ledger:
            # A copy is refused where the root that it was copied from is still there.
            ledger.execute("DELETE FROM root_identity")
            ledger.commit()
    summary = _plan(edited.request, edited.request.home, keeps=True)
    anew = _plan(edited.request, beside, keeps=False)
    kept = not isinstance(summary, tuple) and summary.ok and before == _generation(edited.ledger)
    return kept, (_plain(summary), content(edited.ledger)), (_plain(anew), content(copied))


def select_both(edited: Edited, select: str) -> tuple[bool, Any, Any]:
    """List a selection from what stands, and of a plan made anew: what each comes to.

    The first value tells that the plan was not made anew.
    """
    request = replace(edited.request, select=(select,))
    try:
        campaign = load_campaign(request)
    except InvalidInput as invalid:
        return False, invalid.findings, invalid.findings
    found = []
    for keeps in (True, False):
        with Ledger.memory(request.home, kind=request.kind) as ledger:
            begun = _drafts(ledger)
            summary = sync_campaign(campaign, ledger, dry=True, keeps=keeps)
            records = [*ledger.records(campaign.name, selected=True)] if summary.ok else []
            found.append((_drafts(ledger) - begun, (_plain(summary), records)))
    (drafted, ours), (_, anew) = found
    return "payloads" not in drafted, ours, anew


def _drafts(ledger: Ledger) -> set[str]:
    """Return the tables that a draft shadows: of a selection among what stands, two alone."""
    query = text("SELECT name FROM temp.sqlite_master WHERE type = 'table'")
    return set(ledger._read(lambda connection: connection.scalars(query).all()))  # noqa: SLF001 - nobody else asks


def content(ledger: Path) -> dict[str, list[Any]]:
    """Return what a ledger holds of its plan, but for the number of the plan."""
    with closing(sqlite3.connect(ledger)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(items)")]
        own = ", ".join(f"items.{name}" for name in names if name != "generation")
        current = "items.generation = campaigns.generation"
        queries = {
            "items": f"SELECT {own}, {current} FROM items JOIN campaigns ORDER BY items.id",  # noqa: S608 - our own tables
            "payloads": "SELECT * FROM payloads ORDER BY item_id",
            "fallbacks": "SELECT * FROM fallbacks ORDER BY item_id, rank",
            "jobs": "SELECT * FROM jobs ORDER BY key",
            "outputs": "SELECT * FROM outputs ORDER BY item_id",
            "budgets": "SELECT * FROM budgets ORDER BY scope",
        }
        return {name: connection.execute(text).fetchall() for name, text in queries.items()}


def _plan(
    request: CampaignRequest, root: Path, *, keeps: bool
) -> PlanSummary | tuple[Finding, ...]:
    try:
        campaign: LoadedCampaign = load_campaign(request)
        with Ledger.open(root, kind=request.kind, adopt=True) as ledger:
            return sync_campaign(campaign, ledger, keeps=keeps)
    except InvalidInput as invalid:
        return invalid.findings


def _plain(summary: Came) -> Any:
    if isinstance(summary, tuple):
        return summary
    return asdict(replace(summary))


def _generation(ledger: Path) -> int:
    if not ledger.exists():
        return 0
    with closing(sqlite3.connect(ledger)) as connection:
        return int(connection.execute("SELECT max(generation) FROM campaigns").fetchone()[0] or 0)


def iter_edits(folder: Path, seed: int, edits: int) -> Iterator[tuple[str, Edited]]:
    """Yield a campaign after each of some random edits, and what was edited."""
    edited = Edited(folder, Random(seed))  # noqa: S311 - repeatable
    yield "new", edited
    for _ in range(edits):
        yield edited.edit(), edited
