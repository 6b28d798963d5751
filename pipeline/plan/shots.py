"""One shot's items: rows, cells and takes in order, each part worked out as seldom as possible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.domain import Item, Manifest, Offer, Origin, Row, Shot
from pipeline.errors import TemplateFault
from pipeline.findings import Diagnostic, Severity
from pipeline.plan import key, prompts
from pipeline.plan.address import address, encoded
from pipeline.plan.briefs import Brief, Briefs, Candidate, Levels, Settled
from pipeline.plan.compatible import Misfit, wrong_length
from pipeline.plan.finding_factory import Findings
from pipeline.plan.layers import Layers
from pipeline.plan.looking import Inspector
from pipeline.plan.references import Attached, attach, depends
from pipeline.plan.rules import MODEL_TERMS, MODEL_TITLE
from pipeline.plan.scope import ROW, TAKE, Scope, table_alias
from pipeline.plan.variants import Cell, cells

_Passed = tuple[tuple[str, str], ...]


_PINNED = "the item is pinned to another provider than {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the takes of one row and cell have in common."""

    brief: Brief
    prompt: prompts.Prompt
    provider: str
    passed_over: _Passed
    settled: Settled


class ShotPlan:
    """Makes the items of one shot; good for one pass."""

    def __init__(
        self,
        manifest: Manifest,
        shot: Shot,
        offers: Mapping[str, Offer],
        *,
        inspector: Inspector,
        provider: str,
        stopped: Mapping[str, str],
        findings: Findings,
    ) -> None:
        self._manifest = manifest
        self._shot = shot
        self._stopped = stopped
        self._only = provider
        self._inspector = inspector
        self._cells, faults = cells(shot.variants)
        for fault in faults:
            findings.add(fault)
        self._scope = Scope(manifest, shot, table_alias(manifest, shot), findings)
        self._layers = Layers(manifest, shot, self._scope)
        self._levels = self._all_levels()
        self._briefs = Briefs(
            shot,
            self._scope,
            offers,
            inspector=inspector,
            provider=provider,
            levels=self._levels,
        )
        self._row_text = ""
        self._origin = Origin(shot=shot.span)
        self._tags = shot.tags

    def items(self) -> Iterator[Item]:
        """Yield the shot's items; what is wrong goes to the findings."""
        for row in self._rows():
            self._enter(row)
            works: dict[str, Cell] = {}
            for cell in self._cells:
                self._scope.enter_cell(cell)
                for item in self._takes(cell):
                    first = works.setdefault(item.key.digest, cell)
                    if first is not cell:
                        self._same_work(first, cell)
                    yield item

    def _rows(self) -> tuple[Row | None, ...]:
        if self._shot.table is None:
            return (None,)
        table = self._manifest.tables.get(self._shot.table)
        return table.rows if table is not None else ()

    def _all_levels(self) -> Levels:
        scope, shot = self._scope, self._shot
        references = depends(shot.bundles, scope)
        scope.declare("refs", references)
        steered = any(row is not None and row.steering for row in self._rows())
        settings = self._layers.level(self._cells, steered=steered)
        return Levels(
            references=references,
            settings=settings,
            brief=references | settings,
            prompt=scope.level(shot.prompt) | references,
        )

    def _enter(self, row: Row | None) -> None:
        self._scope.enter_row(row)
        if row is None:
            return
        self._row_text = encoded(row.key)
        self._origin = Origin(shot=self._shot.span, row=row.span)
        self._tags = self._shot.tags + _row_tags(row) if row.steering else self._shot.tags

    def _takes(self, cell: Cell) -> Iterator[Item]:
        self._scope.enter_take(1)
        count = self._layers.takes(self._levels.settings)
        work = self._work()
        for take in range(1, (count or 1) + 1):
            if take > 1:
                self._scope.enter_take(take)
                if (self._levels.brief | self._levels.prompt) & TAKE:
                    work = self._work()
            output = self._output()
            if work is not None and output is not None and count is not None:
                yield self._item(work, cell, take, output)

    def _work(self) -> _Work | None:
        """Return what the takes have in common; None if anything has a finding."""
        once, levels = self._scope.once, self._levels
        attached = once("references", levels.references, self._attach)
        brief = once("brief", levels.brief, lambda: self._brief(attached))
        prompt = once("prompt", levels.prompt, lambda: self._prompt(attached))
        if brief is None or prompt is None:
            return None
        chosen = self._chosen(brief, prompts.length(prompt, brief.references), attached)
        if chosen is None:
            return None
        offer, passed_over = chosen
        return _Work(
            brief=brief,
            prompt=prompt,
            provider=offer.provider,
            passed_over=passed_over,
            settled=self._briefs.settled(brief, offer),
        )

    def _item(self, work: _Work, cell: Cell, take: int, output: str) -> Item:
        brief, settled, row = work.brief, work.settled, self._scope.row
        return Item(
            campaign=self._manifest.name,
            address=address(self._shot.id, self._row_text, cell.name, take),
            shot=self._shot.id,
            row_key=row.key if row is not None else "",
            cell=cell.name,
            take=take,
            axes=cell.axes,
            tags=self._tags,
            kind=brief.kind,
            prompt=work.prompt,
            references=brief.references,
            settings=settled.settings,
            provider=work.provider,
            passed_over=work.passed_over,
            pinned=brief.pinned,
            extra=settled.extra,
            output=output,
            spec=settled.spec,
            key=key.key(settled.shared, brief.described, work.prompt, take),
            origin=self._origin,
        )

    def _attach(self) -> Attached:
        return attach(self._shot.bundles, self._scope, self._inspector)

    def _brief(self, attached: Attached) -> Brief | None:
        wanted = self._layers.wanted(self._levels.settings)
        return None if wanted is None else self._briefs.brief(attached, wanted)

    def _prompt(self, attached: Attached) -> prompts.Prompt | None:
        template = self._shot.prompt
        self._scope.context["refs"] = attached.refs
        try:
            rendered = self._scope.render(template)
        except TemplateFault as fault:
            self._scope.told(fault, self._scope.level(template))
            return None
        lacking = prompts.unattached(rendered, attached.tokens)
        for name in lacking:
            finding = Diagnostic(
                slug="reference-not-attached",
                message=f"the prompt mentions '@{name}', which is not attached",
                span=template.mentions.get(name, template.span),
                hint=f"put what says so inside {{% if {_ref(name)} %}} … {{% endif %}}",
            )
            self._scope.tell(finding, self._levels.prompt)
        return None if lacking else prompts.neutral(rendered, attached.tokens)

    def _output(self) -> str | None:
        try:
            return str(self._scope.render(self._shot.output))
        except TemplateFault as fault:
            self._scope.told(fault, self._scope.level(self._shot.output))
            return None

    def _chosen(
        self, brief: Brief, length: int, attached: Attached
    ) -> tuple[Offer, _Passed] | None:
        """Return who makes the item, and who came before with the reason.

        A provider whose lane was stopped is passed over where another can make the item; where
        nobody else can, the item waits for it.
        """
        wrong = wrong_length(length, MODEL_TERMS[brief.kind], MODEL_TITLE)
        reasons: list[tuple[str, Misfit]] = []
        waiting: Offer | None = None
        for candidate in brief.candidates if wrong is None else ():
            offer = candidate.offer
            misfit = _misfit(candidate, brief, length)
            if misfit is None and offer.provider in self._stopped and not brief.pinned:
                waiting = waiting or offer
                why = self._stopped[offer.provider]
                misfit = Misfit(slug="stopped", message=why, part="provider")
            if misfit is None:
                self._left_out(brief, offer, reasons, attached)
                return offer, tuple([(name, each.message) for name, each in reasons])
            reasons.append((offer.provider, misfit))
        if waiting is not None:
            return waiting, ()
        misfits = [wrong] if wrong else [each for _, each in reasons]
        self._briefs.tell_nobody(brief, misfits, attached)
        return None

    def _left_out(
        self, brief: Brief, offer: Offer, reasons: Sequence[tuple[str, Misfit]], attached: Attached
    ) -> None:
        """Warn that the provider of the command line does not make the item, and why."""
        if not self._only or offer.provider == self._only:
            return
        pinned = Misfit(slug="pinned-provider", message=_PINNED.format(self._only), part="provider")
        why = next((misfit for name, misfit in reasons if name == self._only), pinned)
        self._briefs.tell_left_out(brief, why, attached)

    def _same_work(self, first: Cell, cell: Cell) -> None:
        """Warn that two cells of a row are the same work: some axis changes nothing."""
        variants = self._shot.variants
        for axis in (*variants.matrix, *variants.pairs) if variants else ():
            if cell.axes[axis.name] != first.axes[axis.name]:
                finding = Diagnostic(
                    slug="same-work",
                    message=f"nothing that is sent depends on '{axis.name}'",
                    span=axis.span,
                    severity=Severity.WARNING,
                    hint="such items are bought once, and the clip is shown at each path",
                )
                self._scope.tell(finding, ROW)


def _misfit(candidate: Candidate, brief: Brief, length: int) -> Misfit | None:
    if candidate.misfits:
        return candidate.misfits[0]
    terms = candidate.offer.kinds[brief.kind]
    return wrong_length(length, terms, candidate.offer.title)


def _ref(name: str) -> str:
    """Return how a template asks whether a reference is attached."""
    return f"refs.{name}" if name.isidentifier() else f"refs['{name}']"


def _row_tags(row: Row) -> tuple[str, ...]:
    written = row.steering.get("tags")
    if written is None or not written.data:
        return ()
    if isinstance(written.data, str):
        return tuple(written.data.replace(",", " ").replace(";", " ").split())
    return tuple(map(str, written.data))
