"""What lies at a plan's output paths and in its store, as far as a plan has to know it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pipeline.domain import EMPTY
from pipeline.findings import Finding, Span
from pipeline.ledger.outputs import Clip, View
from pipeline.run.output_check import (
    RESTORED,
    DamagedClip,
    Files,
    Found,
    Hides,
    KnownOutputs,
    OutputStatus,
    inspect,
    inspect_store,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedOutput:
    """A file at an output path that was a clip when it was put there, and what is changed."""

    path: str
    """As a person finds it."""
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFiles:
    """What was found at the plan's output paths and in its store."""

    restore: int = 0
    hide: int = 0
    foreign: Sequence[Finding] = ()
    changed: Sequence[ChangedOutput] = ()
    damaged: Sequence[DamagedClip] = ()
    signatures: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Of clips in the store that were touched and are right, by SHA-256."""
    placed: Sequence[tuple[View, str, int | None]] = ()
    """What stands at output paths, touched and right: signature and mode of each file."""

    @property
    def told(self) -> Mapping[str, Any]:
        """Return what a plan's summary tells of it, by its names."""
        return {
            "restore": self.restore,
            "hide": self.hide,
            "changed_outputs": tuple(self.changed),
            "damaged_clips": tuple(self.damaged),
        }


class PlannedOutputs(KnownOutputs, Protocol):
    """A plan whose files are looked at."""

    def payload_of(self, item_id: int) -> Mapping[str, Any]:
        """Return what else is known of an item."""
        ...


def inspect_files(plan: PlannedOutputs, campaign: str, files: Files, hides: Hides) -> PlanFiles:
    """Look at a plan's files; what was touched and is right is told, to be written down.

    The store first: what may be a copy of it is only compared with what it should be.
    """
    clips = list(inspect_store(plan, campaign=campaign, files=files))
    found = inspect(plan, campaign=campaign, files=files, hides=hides)
    return judge_files(plan, found, clips, files)


def judge_files(
    plan: PlannedOutputs,
    found: Iterable[Found],
    clips: Sequence[Clip | DamagedClip],
    files: Files,
) -> PlanFiles:
    """Return what is told of what was found at output paths, and of the store's touched clips."""
    damaged = [each for each in clips if isinstance(each, DamagedClip)]
    signatures = {each.sha256: each.signature for each in clips if isinstance(each, Clip)}
    at_paths = _judge_outputs(plan, found, files)
    return replace(at_paths, damaged=damaged, signatures=signatures)


def _judge_outputs(plan: PlannedOutputs, found: Iterable[Found], files: Files) -> PlanFiles:
    """Return what stands at output paths that are not as they should be."""
    foreign, changed, placed, restore, hide = [], [], [], 0, 0
    for each in found:
        view, there = each.view, each.stat
        if each.standing in {OutputStatus.FOREIGN, OutputStatus.BLOCKED}:
            foreign.append(_foreign(each, files, place_of_item(plan.payload_of(view.item_id))))
            continue
        if each.standing in _RIGHT_BYTES and there:
            # The mode that was written first stays: else a person's change is told only once.
            placed.append((view, there.signature, there.mode if view.mode is None else view.mode))
        if each.standing in _CHANGES and view.selected:
            changed.append(_changed_output(each, files))
        restore += view.selected and each.standing in RESTORED
        hide += view.selected and each.standing is OutputStatus.SURPLUS
    return PlanFiles(restore=restore, hide=hide, foreign=foreign, changed=changed, placed=placed)


def _changed_output(found: Found, files: Files) -> ChangedOutput:
    if found.standing is OutputStatus.CHANGED_MODE:
        mode = found.stat.mode if found.stat else 0
        change = f"its permissions are {mode:o} now, not {found.view.mode or 0:o}"
    elif found.stat and found.stat.regular:
        change = "its content is another now"
    else:
        change = "it is no regular file any more"
    return ChangedOutput(path=files.display_path(found.view.path), change=change)


def _foreign(found: Found, files: Files, span: Span) -> Finding:
    """Say that a file is in the way; adopting it is a way out only where a clip is still wanted."""
    view, there, path = found.view, found.stat, found.view.path
    fate = "is not a clip of this ledger"
    if view.placed:
        fate = "was changed since its clip was put there, and another clip is to be put there"
    hint = "move it away, or change the output path: it is never overwritten"
    if found.standing is OutputStatus.BLOCKED:
        path, fate = files.in_the_way(path), f"is a file, and {view.address} needs a folder there"
    elif view.clip is None and there and there.regular:
        hint = (
            "if it is this item's clip, `callsheet store adopt` takes it in without buying it;"
            " else change the output path: it is never overwritten"
        )
    return Finding(
        slug="foreign-file",
        message=f"{files.display_path(path)} {fate}",
        span=span,
        hint=hint,
    )


_RIGHT_BYTES = frozenset({OutputStatus.UNRECORDED, OutputStatus.CHANGED_MODE})
_CHANGES = frozenset({OutputStatus.CHANGED, OutputStatus.CHANGED_MODE})


def place_of_item(kept: Mapping[str, Any]) -> Span:
    """Return where an item comes from: its row in the table, else its shot."""
    return Span(**(kept["origin"]["row"] or kept["origin"]["shot"]))
