"""A plan that is not made again, or only for a few rows: nothing else that it follows from changed.

Only what can change without being planned is looked at: where its items stand, and their files.
Wherever it is not certain that planning everything would come to the same, it is not tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from pipeline.domain import Budget
from pipeline.findings import Finding, has_errors
from pipeline.ledger.outputs import EXTENSION, Clip, View
from pipeline.ledger.plan_edits import EditedItems, Entangled
from pipeline.ledger.plan_rows import Planned
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import micro
from pipeline.ledger.standing_plan_access import StandingPlanAccess
from pipeline.run.change_summary import group_changes
from pipeline.run.output_check import (
    DamagedClip,
    Files,
    Found,
    Hides,
    OutputStatus,
    inspect_both,
    inspect_store,
    judge_view,
)
from pipeline.run.plan_files import PlanFiles, judge_files
from pipeline.run.plan_inputs import KeptPlan, PlanInputs, ReservedPrices
from pipeline.run.plan_sync import (
    FORMATS,
    Choice,
    PlannedPaths,
    PlanSummary,
    plan_rows,
    summarize,
)

_MOST_ITEMS = 5_000
"""If more than these are to be planned again, everything is."""


def keep_plan(
    ledger: Ledger,
    *,
    campaign: str,
    inputs: PlanInputs,
    files: Files | None,
    hides: Hides,
    budget: Budget,
    choice: Choice | None = None,
) -> PlanSummary | None:
    """Return what the plan that stands comes to, as `sync_plan` would; None if it must be made.

    Rows that changed are planned again. On a dry ledger nothing is written, and there may be a
    `choice`: what is not selected by it is told apart.
    """
    plan = ledger.standing_plan(campaign)
    found = plan.find()
    same = found is not None and found.inputs == inputs.digest
    changed = inputs.changed_rows(found.rows) if found is not None and same else None
    if found is None or changed is None:
        return None
    prices, kept = ReservedPrices(ledger.seen_prices()), KeptPlan.load(found.told)
    # Where their parts are written is told of what is made as other work: that is planned again.
    rows = changed | plan.remade_rows()
    disk = _Disk(plan=plan, campaign=campaign, files=files, hides=hides)
    findings = (*inputs.findings, *kept.findings)
    agree = prices.agree(kept.prices) and inputs.agrees(kept.read)
    if not agree or has_errors(findings) or (rows and plan.is_dry):
        return None
    if choice is not None:
        plan.choose(choice)
        findings += (*choice.findings(),)
    wrong, clips = disk.inspect()
    if disk.is_foreign(wrong) or has_errors(findings):
        if choice is not None:
            plan.drop_choice()
        return None
    edited = EditedItems()
    if rows:
        planned = _plan_rows(rows, kept, inputs, prices)
        if planned is None or not disk.is_free(wrong, planned):
            return None
        standing = inputs.standing_plan(inputs.findings, prices, kept.items, ())
        limit = None if budget.per_row_usd is None else micro(budget.per_row_usd)
        try:
            edited = plan.replace(planned, sorted(rows), standing, per_row_microusd=limit)
        except Entangled:
            return None
        wrong, clips = disk.inspect_again(wrong, planned)
    there = PlanFiles() if files is None else judge_files(plan, wrong, clips, files)
    plan.confirm(there.signatures, there.placed)
    return replace(
        summarize(campaign, plan.totals(), findings),
        changed=edited.changed,
        changes=group_changes(plan.iter_changes(edited.published)),
        **there.told,
    )


def _plan_rows(
    rows: frozenset[tuple[str, str]], kept: KeptPlan, inputs: PlanInputs, prices: ReservedPrices
) -> Sequence[Planned] | None:
    """Return the items of some rows as they are planned now; None if more depends on them.

    What is told of a whole plan (its findings, and who could not make what) is told of it as one.
    """
    if kept.findings or kept.has_folders_like_files:
        return None
    findings: list[Finding] = []
    paths = PlannedPaths("", None)
    planned = plan_rows(inputs.plan_rows(rows), findings, prices)
    some = list(islice(paths.watching(planned), _MOST_ITEMS + 1))
    told = len(findings) > len(inputs.findings) or inputs.read()["reassigned"]
    return None if told or paths.file_like or len(some) > _MOST_ITEMS else some


_Files = tuple[list[Found], list[Clip | DamagedClip]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Disk:
    """The files of a standing plan; without `files` nobody looks at them."""

    plan: StandingPlanAccess
    campaign: str
    files: Files | None
    hides: Hides

    def inspect(self) -> _Files:
        """Return the output paths that are not as they should be, and the clips touched."""
        if self.files is None:
            return [], []
        own = {"campaign": self.campaign, "files": self.files, "hides": self.hides}
        return inspect_both(self.plan, **own)  # type: ignore[arg-type]

    def inspect_again(self, before: Sequence[Found], planned: Sequence[Planned]) -> _Files:
        """Return them once some items are planned again."""
        if self.files is None:
            return [], []
        again = {each.address for each in planned}
        others = (each for each in before if each.view.address not in again)
        known = self.plan.is_known_clip
        judged = (judge_view(v, self.files, known, self.hides) for v in self._views(planned))
        found = (each for each in judged if each is not None)
        wrong = sorted((*others, *found), key=lambda each: each.view.position)
        return wrong, list(inspect_store(self.plan, campaign=self.campaign, files=self.files))

    def is_foreign(self, wrong: Sequence[Found]) -> bool:
        """Tell whether somebody else's file is in the way: what that means, a whole plan tells."""
        return any(each.standing in {OutputStatus.FOREIGN, OutputStatus.BLOCKED} for each in wrong)

    def is_free(self, wrong: Sequence[Found], planned: Sequence[Planned]) -> bool:
        """Tell whether nothing stands where the items' clips may come, but what we put there."""
        if self.files is None:
            return True
        not_ours = {each.view.address for each in wrong}
        own = {each.path for each in self._views(planned) if each.address not in not_ours}
        for each in planned:
            for extension in FORMATS:
                path = f"{self.campaign}/{each.output.replace(EXTENSION, extension)}"
                stands = path not in own and self.files.stat(path) is not None
                if stands or self.files.in_the_way(path) or self.files.too_long(path):
                    return False
        return True

    def _views(self, planned: Sequence[Planned]) -> list[View]:
        addresses = [each.address for each in planned]
        return self.plan.views(campaign=self.campaign, addresses=addresses, limit=len(addresses))
