"""Manifest → plan: shot × row × cell × take, as a stream of items and findings.

Nothing holds all items: a plan is a recipe that can be iterated again, and that gives the same
each time. Order: shots as written, rows as in their table, cells in order, takes. A shot's findings
come after its items; an item that has an error is not among them. Each part of an item is worked
out as seldom as possible.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

from pipeline.domain import (
    Item,
    Manifest,
    Mention,
    Offer,
    Origin,
    Reference,
    Role,
    Row,
    Shot,
    Token,
)
from pipeline.domain.manifest import TakesToShow
from pipeline.domain.offer_rules import offer_by_options
from pipeline.errors import TemplateFault
from pipeline.findings import Finding, FindingCollector, Severity
from pipeline.plan import keys
from pipeline.plan.addresses import address, encode_row_key
from pipeline.plan.attachments import Attachments, MediaInspector, attach, attachment_levels
from pipeline.plan.capability_checks import Violation, wrong_length
from pipeline.plan.cells import Cell, cells
from pipeline.plan.media_checks import licence_faults
from pipeline.plan.part_places import PartPlaces
from pipeline.plan.provider_settings import extra_faults, provider_setting_faults
from pipeline.plan.resolve import Dependencies, ItemDraft, ItemResolver, ResolvedSettings
from pipeline.plan.setting_layers import SettingLayers
from pipeline.plan.template_scope import ROW, TAKE, TemplateScope

_PassedOver = tuple[tuple[str, str], ...]
_Prompt = tuple[str | Token, ...]
# It begins where the space begins, and never within it: a cell may hold thousands of spaces.
_LINE_END_SPACE = re.compile(r"(?<![^\S\n])[^\S\n]++(?=\n)")
_WORDS: Mapping[Role, str] = MappingProxyType(
    {Role.FIRST: "the first frame", Role.LAST: "the last frame", Role.VIDEO: "the video"}
)


TakeNumbers = Callable[[str, int], Sequence[int]]
RowChoice = Callable[[str, str], bool]
"""Tells by shot and row key whether a row's items are wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """What a manifest asks for; iterate it as often as needed."""

    manifest: Manifest
    offers: Mapping[str, Offer]
    inspector: MediaInspector
    provider: str = ""
    day: date | None = None
    takes: TakeNumbers | None = None
    rows: RowChoice | None = None

    def __iter__(self) -> Iterator[Item | Finding]:
        # Before all items: pricing leaves the options out once one of them has a finding.
        yield from provider_setting_faults(self.manifest, self.offers)
        for shot in self.manifest.shots:
            yield from extra_faults(shot, self.offers)
            if self.day is not None:
                yield from licence_faults(shot, self.day)
            findings = FindingCollector()
            yield from ShotExpansion(
                self.manifest,
                shot,
                self.offers,
                inspector=self.inspector,
                provider=self.provider,
                findings=findings,
                takes=self.takes,
            ).items(self.rows)
            yield from findings.drain()


def expand(
    manifest: Manifest,
    offers: Mapping[str, Offer],
    inspector: MediaInspector,
    *,
    provider: str = "",
    day: date | None = None,
    takes: TakeNumbers | None = None,
    rows: RowChoice | None = None,
) -> Expansion:
    """Return the plan of a manifest; `offers` are all that are known, by provider.

    `provider` is the only one to be asked, whatever the manifest says. `day` is the one by which
    licences are judged; without one, none is. Where the manifest lets items move on to another
    provider, each has its `fallbacks`: nothing is planned anew while a run goes on. `takes` is
    asked with an address without its take, and how many the manifest wants: which there are. Of the
    rows that are not wanted, where there are `rows`, nothing is yielded and nothing found.
    """
    # An option may choose another form of the provider's app, which can do other things.
    chosen = {
        name: offer_by_options(offer, manifest.providers[name].options)
        if name in manifest.providers
        else offer
        for name, offer in offers.items()
    }
    return Expansion(
        manifest=manifest,
        offers=chosen,
        inspector=inspector,
        provider=provider,
        day=day,
        takes=takes,
        rows=rows,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    """A provider that can make an item: what it is told, and who came before with the reason."""

    provider: str
    passed_over: _PassedOver
    resolved: ResolvedSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the takes of one row and cell have in common."""

    draft: ItemDraft
    prompt: _Prompt
    inputs: Mapping[str, str]
    makers: tuple[_Maker, ...]
    """Who makes it, then who could."""
    keys: keys.KeyWriter
    places: PartPlaces


class ShotExpansion:
    """Makes the items of one shot; good for one pass."""

    def __init__(
        self,
        manifest: Manifest,
        shot: Shot,
        offers: Mapping[str, Offer],
        *,
        inspector: MediaInspector,
        provider: str,
        findings: FindingCollector,
        takes: TakeNumbers | None = None,
    ) -> None:
        self._manifest = manifest
        self._shot = shot
        self._only = provider
        self._take_numbers = takes
        self._inspector = inspector
        self._cells, faults = cells(shot.variants)
        for fault in faults:
            findings.add(fault)
        self._rows: tuple[Row | None, ...] = (None,)
        self._faulty: tuple[Row, ...] = ()
        self._several = False
        if shot.table is not None:
            table = manifest.tables.get(shot.table)
            self._rows = table.rows if table is not None else ()
            self._faulty = table.faulty if table is not None else ()
            self._several = table is not None and len(table.key) > 1
        scope = self._scope = TemplateScope(manifest, shot, findings)
        self._layers = SettingLayers(manifest, shot, scope)
        references = attachment_levels(shot.bundles, scope)
        # Before any level is asked for, since levels are kept: a prompt that asks `refs.side`
        # depends on whatever decides that `side` is attached.
        scope.declare("refs", references)
        steered = any(row is not None and row.steering for row in self._rows)
        settings = self._layers.level(self._cells, steered=steered)
        self._levels = Dependencies(
            references=references,
            settings=settings,
            draft=references | settings,
            # Also without `refs`: mentions become numbers, and those follow from what is attached.
            prompt=scope.level(shot.prompt) | references,
        )
        self._resolver = ItemResolver(
            shot, scope, offers, inspector=inspector, provider=provider, levels=self._levels
        )
        self._row_text = ""
        self._origin = Origin(shot=shot.span)
        self._tags = shot.tags

    def items(self, wanted: RowChoice | None = None) -> Iterator[Item]:
        """Yield the shot's items, of all rows or the wanted ones; findings go to the collector."""
        for row in self._rows:
            if wanted and not wanted(self._shot.id, row.key if row else ""):
                continue
            self._scope.enter_row(row)
            if row is not None:
                self._row_text = encode_row_key(row.key, several=self._several)
                self._origin = Origin(shot=self._shot.span, row=row.span)
                tags = row.steering.get("tags")
                own = (tags.data if tags else None) or ()
                if isinstance(own, str):
                    own = own.replace(",", " ").replace(";", " ").split()
                self._tags = (*self._shot.tags, *map(str, own))
            # Anew for each row: the warning is of an axis that changes nothing, not of rows alike.
            works: dict[str, Cell] = {}
            for cell in self._cells:
                self._scope.enter_cell(cell)
                for item in self._takes(cell):
                    first = works.setdefault(item.key.digest, cell)
                    if first is not cell:
                        self._warn_of_same_work(first, cell)
                    yield item

        # Who has mended a price is not to be told of the row's missing photo only then.
        for row in self._faulty:
            self._scope.enter_row(row)
            for cell in self._cells:
                self._scope.enter_cell(cell)
                self._scope.enter_take(1)
                self._attachments()

    def _takes(self, cell: Cell) -> Iterator[Item]:
        scope, template = self._scope, self._shot.output
        scope.enter_take(1)
        count = self._layers.takes(self._levels.settings)
        work = self._work()
        # A number that has a finding counts as one, so that the rest of the item is still checked.
        takes: Sequence[int] = range(1, (count or 1) + 1)
        if self._take_numbers is not None:
            first = address(self._shot.id, self._row_text, cell.name, 1)
            takes = self._take_numbers(first.removesuffix("#1"), count or 1)
        for take in takes:
            if take > 1:
                scope.enter_take(take)
                # Most templates do not name the take: then all takes share the work.
                if (self._levels.draft | self._levels.prompt) & TAKE:
                    work = self._work()
            try:
                # Also where there is no work to make: what is wrong with the path is told in the
                # same pass.
                output = str(scope.render(template))
            except TemplateFault as fault:
                scope.report_fault(fault, scope.level(template))
                continue
            if work is None or count is None:
                continue
            yield self._item(work, cell, take, output)

    def _item(self, work: _Work, cell: Cell, take: int, output: str) -> Item:
        """Return one take, with what it would be at each provider it may move on to."""
        draft, (maker, *others), row = work.draft, work.makers, self._scope.row
        item = Item(
            campaign=self._manifest.name,
            address=address(self._shot.id, self._row_text, cell.name, take),
            shot=self._shot.id,
            row_key=row.key if row is not None else "",
            cell=cell.name,
            take=take,
            axes=cell.axes,
            tags=self._tags,
            model=draft.model.name,
            kind=draft.kind,
            prompt=work.prompt,
            references=draft.references,
            settings=maker.resolved.settings,
            provider=maker.provider,
            passed_over=maker.passed_over,
            pinned=draft.pinned,
            extra=maker.resolved.extra,
            output=output,
            shows_unapproved=self._shot.show is TakesToShow.ALL,
            spec=maker.resolved.spec,
            # The maker's, and that of all fallbacks: whoever makes the item, it is the same work,
            # and it is not bought again when it moves on.
            key=work.keys.key(work.prompt, take),
            origin=self._origin,
            inputs=work.inputs,
            places=work.places,
        )
        fallbacks = [
            replace(
                item,
                provider=other.provider,
                passed_over=other.passed_over,
                settings=other.resolved.settings,
                extra=other.resolved.extra,
                spec=other.resolved.spec,
            )
            for other in others
        ]
        return replace(item, fallbacks=tuple(fallbacks)) if fallbacks else item

    def _work(self) -> _Work | None:
        """Return what the takes have in common; None if anything has a finding."""
        memoize, levels = self._scope.memoize, self._levels
        attachments = self._attachments()

        def resolve() -> ItemDraft | None:
            written = self._layers.settings(levels.settings)
            return None if written is None else self._resolver.draft(attachments, written)

        # Draft and prompt are both worked out, though one may fail: a pass tells all that it can
        # find.
        draft = memoize("draft", levels.draft, resolve)
        prompt = memoize("prompt", levels.prompt, lambda: self._prompt(attachments))
        if draft is None or prompt is None:
            return None
        makers = self._choose(draft, _length_in_words(prompt, draft.references), attachments)
        if not makers:
            return None
        scope, template = self._scope, self._shot.prompt
        inputs = memoize(
            "inputs", scope.level(template), lambda: keys.digest_inputs(template, scope)
        )
        places = PartPlaces(
            manifest=self._manifest,
            shot=self._shot,
            row=scope.row,
            cell=scope.cell,
            row_names=scope.row_names,
            written=draft.written,
            attachments=attachments,
        )
        own = makers[0]
        writer = memoize(
            ("keys", own.provider),
            levels.draft,
            lambda: keys.KeyWriter(
                own.resolved.shared, draft.key_parts, ratio=own.resolved.spec.ratio
            ),
        )
        return _Work(
            draft=draft, prompt=prompt, inputs=inputs, makers=makers, keys=writer, places=places
        )

    def _attachments(self) -> Attachments:
        return self._scope.memoize(
            "references",
            self._levels.references,
            lambda: attach(self._shot.bundles, self._scope, self._inspector),
        )

    def _prompt(self, attachments: Attachments) -> _Prompt | None:
        template, tokens = self._shot.prompt, attachments.tokens
        # Before each rendering: the cell before may have had other references.
        self._scope.context["refs"] = attachments.refs
        try:
            rendered = self._scope.render(template)
        except TemplateFault as fault:
            self._scope.report_fault(fault, self._scope.level(template))
            return None
        lacking = [
            part.name for part in rendered if isinstance(part, Mention) and part.name not in tokens
        ]
        for name in lacking:
            asked = f"refs.{name}" if name.isidentifier() else f"refs['{name}']"
            finding = Finding(
                slug="reference-not-attached",
                message=f"the prompt mentions '@{name}', which is not attached",
                span=template.mentions.get(name, template.span),
                hint=f"put what says so inside {{% if {asked} %}} … {{% endif %}}",
            )
            self._scope.report(finding, self._levels.prompt)
        return None if lacking else _neutral_prompt(rendered, tokens)

    def _choose(
        self, draft: ItemDraft, length: int, attachments: Attachments
    ) -> tuple[_Maker, ...]:
        """Return who makes the item, then those to whom it may move on; nobody if none can."""
        model, candidates = draft.model, draft.candidates
        # First what the model itself does not take: no provider is to be blamed for that.
        wrong = wrong_length(length, model.kinds[draft.kind], model.title)
        if wrong is not None:
            self._resolver.report_nobody(draft, [wrong], attachments)
            return ()
        # Who cannot make it anyhow may have no limits of its kind.
        lengths = [
            None
            if each.violations
            else wrong_length(length, each.offer.models[model.name][draft.kind], each.offer.title)
            for each in candidates
        ]
        # Of the prompt it is only whether its length will do: the rest is the draft's.
        place = ("makers", *(each is None for each in lengths))
        makers, left_out, reasons = self._scope.memoize(
            place, self._levels.draft, lambda: self._makers(draft, lengths)
        )
        for reason in left_out:
            self._resolver.report_left_out(draft, reason, attachments)
        if not makers:
            self._resolver.report_nobody(draft, [each for _, each in reasons], attachments)
        return makers

    def _makers(
        self, draft: ItemDraft, lengths: Sequence[Violation | None]
    ) -> tuple[tuple[_Maker, ...], Sequence[Violation], Sequence[tuple[str, Violation]]]:
        """Return who can make a draft, why it is left to others, and why others cannot make it.

        `lengths` is what each candidate has against the length of the prompt.
        """
        # A pin ties the clip to its provider, and so does the command line for this run.
        falls_back = self._manifest.policy.fallback and not draft.pinned and not self._only
        reasons: list[tuple[str, Violation]] = []
        left_out: list[Violation] = []
        makers: list[_Maker] = []
        for candidate, length in zip(draft.candidates, lengths, strict=True):
            offer = candidate.offer
            violation = next(iter(candidate.violations), length)
            if violation is not None:
                reasons.append((offer.provider, violation))
                continue
            if self._only and offer.provider != self._only:
                # The provider of the command line does not make it, and somebody else does.
                message = f"the item is pinned to another provider than {self._only}"
                pinned = Violation(slug="pinned-provider", message=message, part="provider")
                left_out.append(
                    next((found for name, found in reasons if name == self._only), pinned)
                )
            maker = _Maker(
                provider=offer.provider,
                passed_over=tuple([(name, each.message) for name, each in reasons]),
                resolved=self._resolver.settle(draft, offer),
            )
            makers.append(maker)
            if not falls_back:
                break
        return tuple(makers), left_out, reasons

    def _warn_of_same_work(self, first: Cell, cell: Cell) -> None:
        """Warn that two cells of a row are the same work: some axis changes nothing."""
        variants = self._shot.variants
        for axis in (*variants.matrix, *variants.pairs) if variants else ():
            if cell.axes[axis.name] != first.axes[axis.name]:
                finding = Finding(
                    slug="same-work",
                    message=f"nothing that is sent depends on '{axis.name}'",
                    span=axis.span,
                    severity=Severity.WARNING,
                    hint="such items are bought once, and the clip is shown at each path",
                )
                self._scope.report(finding, ROW)


def _neutral_prompt(rendered: Sequence[str | Mention], tokens: Mapping[str, Token]) -> _Prompt:
    """Return the prompt with tokens for its mentions, NFC, without space at the ends of lines.

    Names are gone afterwards: renaming a reference changes no key.
    """
    parts: list[str | Token] = []
    for index, part in enumerate(rendered):
        if isinstance(part, Mention):
            parts.append(tokens[part.name])
            continue
        text = part if part.isascii() else unicodedata.normalize("NFC", part)
        if "\n" in text:
            text = _LINE_END_SPACE.sub("", text)
        # What nobody sees makes no other prompt, and no other purchase.
        if index == len(rendered) - 1:
            text = text.rstrip()
        if text:
            parts.append(text)
    return tuple(parts)


def _length_in_words(prompt: _Prompt, references: Sequence[Reference]) -> int:
    """Return how long the prompt is with its tokens in words, `the sneaker (image 1)`.

    A provider's own rendering may differ by a few characters: composing the request judges that.
    """
    total = 0
    for part in prompt:
        if isinstance(part, str):
            total += len(part)
            continue
        said = _WORDS.get(part.role) or f"{part.role.value} {part.ordinal}"
        for each in references if part.role not in _WORDS else ():
            if each.role is part.role and each.ordinal == part.ordinal and each.say:
                said = f"{each.say} ({said})"
                break
        total += len(said)
    return total
