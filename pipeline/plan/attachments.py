"""A shot's bundles, for one row and cell → numbered references, and what prompts may mention.

The order of ordinals is that of `use`, then as written, then inline. Optional references whose
file is blank are left out; any other blank file is a finding, because a clip without its product
costs as much as one with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from pipeline.domain import (
    MOST_LISTED,
    Bundle,
    ElementSpec,
    ImageSpec,
    Media,
    Reference,
    Role,
    Template,
    Token,
    Value,
    VideoSpec,
)
from pipeline.errors import MediaFault, TemplateFault
from pipeline.findings import Finding, Span
from pipeline.plan.template_scope import TemplateScope

# The resolver relies on it: a first frame is the first of all references, the video the last.
_ORDER = (Role.FIRST, Role.LAST, Role.IMAGE, Role.ELEMENT, Role.VIDEO)
_SINGLE: Mapping[Role, str] = MappingProxyType(
    {Role.FIRST: "first frame", Role.LAST: "last frame", Role.VIDEO: "video"}
)
_PARTS: Mapping[Role, str] = MappingProxyType(
    {Role.FIRST: "first", Role.LAST: "last", Role.IMAGE: "images", Role.ELEMENT: "elements"}
)


class MediaInspector(Protocol):
    """Looks into media files; `media.Inspector` is one."""

    def look(self, file: str, folder: Path, media_type: str) -> Media:
        """Return the medium; raise MediaFault where it cannot be used."""
        ...

    def fit(self, media: Media, ratio: str, how: str) -> Media:
        """Return an image made to fit a ratio ("9:16"), by "crop" or "pad"."""
        ...

    def convert(self, media: Media) -> Media:
        """Return an image as it is sent: itself, or a PNG or JPEG made of it."""
        ...


@dataclass(slots=True, kw_only=True)
class MediaResolver:
    """Reads the values of one row and cell; `broken` once anything had a finding."""

    scope: TemplateScope
    inspector: MediaInspector
    broken: bool = False

    def value(self, value: Value | None) -> Any:
        """Return plain data, None where there is none or it cannot be rendered."""
        if value is None:
            return None
        try:
            return self.scope.value(value)
        except TemplateFault as fault:
            self.broken = True
            self.scope.report_fault(fault, self.scope.level_of((value,)))
            return None

    def text(self, value: Value | None) -> str:
        """Return a text, empty where there is none."""
        found = self.value(value)
        return "" if found is None else str(found).strip()

    def files(self, value: Value) -> tuple[str, ...] | None:
        """Return the file names that a value gives, blank ones left out; None on a fault."""
        try:
            found = self.scope.value(value)
        except TemplateFault as fault:
            self.broken = True
            self.scope.report_fault(fault, self.scope.level_of((value,)))
            return None
        listed = [found] if isinstance(found, str) or found is None else found
        return tuple(str(file).strip() for file in listed if file and str(file).strip())

    def look(self, value: Value, file: str, media_type: str, pin: str = "") -> Media | None:
        """Return the medium that a file name of this value means; a URL counts by its pin."""
        row = self.scope.row
        # Whoever wrote the table knows its folder, and not that of the manifest.
        from_row = isinstance(value.data, Template) and value.data.from_row
        folder = row.folder if row and from_row else value.folder
        try:
            media = self.inspector.look(file, folder, media_type)
        except MediaFault as fault:
            self.fault(value, fault.slug, fault.message, fault.hint)
            return None
        if not pin or pin == media.digest:
            return media
        # Nobody fetches an address to hash it: the pin is its content, and the key goes by the pin.
        if not media.local:
            return replace(media, digest=pin)
        message = f"{file!r} is not the file that `pin` names"
        hint = f"write pin: {media.digest} if it is the right one"
        self.fault(value, "pin-mismatch", message, hint)
        return None

    def picture(self, value: Value, file: str, pin: str = "") -> Media | None:
        """Return an image as it is sent. Frames are fitted first: what they become is not known."""
        # The pin is that of the file as it is stored, so it is compared before anything is
        # converted.
        media = self.look(value, file, "image", pin)
        try:
            return media and self.inspector.convert(media)
        except MediaFault as fault:
            self.fault(value, fault.slug, fault.message, fault.hint)
            return None

    def fault(
        self,
        value: Value,
        slug: str,
        message: str,
        hint: str = "",
        *,
        related: tuple[Span, ...] = (),
    ) -> None:
        """Report what is wrong with a value, at the table's cell if it is nothing but that cell."""
        self.broken = True
        finding = Finding(slug=slug, message=message, span=value.span, hint=hint, related=related)
        self.scope.report(self.scope.in_cell(finding, value), self.scope.level_of((value,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """What is attached at one row and cell."""

    references: tuple[Reference, ...]
    parts: frozenset[str]
    """first, last, images, elements, guide, edit, fast: what `rules.COMBINATIONS` speaks of."""
    images: int
    elements: int
    tokens: Mapping[str, Token]
    """Every name that a prompt may mention here, with and without its bundle."""
    refs: Mapping[str, bool]
    """What templates see as `refs`: whether a name is attached."""
    fit: str
    keep_audio: bool
    seconds: float | None
    """Length of the input clip; None where there is none, or nobody said."""
    declared: Value | None
    """Where that length is written, if it is not the file's own."""
    values: Mapping[Span, Value]
    """The values that name files, by where their reference is written."""
    spans: Mapping[str, Span]
    """Where first, last, images, elements and video are written."""
    broken: bool
    """Some reference has a finding; it counts, but has no media."""


def attachment_levels(bundles: Iterable[Bundle], scope: TemplateScope) -> int:
    """Return the levels that the attached references depend on."""
    return scope.level_of([value for bundle in bundles for value in bundle.values()])


def attach(
    bundles: Iterable[Bundle], scope: TemplateScope, inspector: MediaInspector
) -> Attachments:
    """Return the references of the row and cell that the scope stands at."""
    collector = ReferenceCollector(look=MediaResolver(scope=scope, inspector=inspector))
    for bundle in bundles:
        collector.add(bundle)
    return collector.attachments()


@dataclass(slots=True, kw_only=True)
class ReferenceCollector:
    """Numbers the references of bundles that are added one after another."""

    look: MediaResolver
    references: list[Reference] = field(default_factory=list)
    counts: dict[Role, int] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)
    tokens: dict[str, Token] = field(default_factory=dict)
    refs: dict[str, bool] = field(default_factory=dict)
    values: dict[Span, Value] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    fit: str = ""
    keep_audio: bool = False
    seconds: float | None = None
    declared: Value | None = None

    def add(self, bundle: Bundle) -> None:
        """Take a bundle's references: frames, images, elements, then the video."""
        frames = bundle.frames
        if frames:
            self.fit = self.look.text(frames.fit) or self.fit
            if frames.first:
                self._add_single(Role.FIRST, bundle.name, frames.first)
            # A blank last frame is absent, as any blank value (docs/design/language.md §3).
            if frames.last and self.look.files(frames.last) != ():
                self._add_single(Role.LAST, bundle.name, frames.last)
        for image in bundle.images:
            self._add_image(bundle.name, image)
        for element in bundle.elements:
            self._add_element(bundle.name, element)
        if bundle.video:
            self._add_video(bundle.name, bundle.video)

    def attachments(self) -> Attachments:
        """Return what was added, in the order of roles."""
        self.references.sort(key=lambda reference: _ORDER.index(reference.role))
        return Attachments(
            references=tuple(self.references),
            parts=frozenset(self.parts),
            images=self.counts.get(Role.IMAGE, 0),
            elements=self.counts.get(Role.ELEMENT, 0),
            tokens=self.tokens,
            refs=self.refs,
            fit=self.fit,
            keep_audio=self.keep_audio,
            seconds=self.seconds,
            declared=self.declared,
            values=self.values,
            spans=self.spans,
            broken=self.look.broken,
        )

    def _add_image(self, owner: str, spec: ImageSpec) -> None:
        files = self.look.files(spec.file)
        if files == () and not spec.optional:
            self._blank(spec.file, f"'{spec.name}'", "say optional: true if it may be missing")
            files = None
        self._declare(owner, spec.name, attached=files != ())
        if files is None:
            # It is meant to be there: that the prompt mentions it is no second fault.
            name = f"{spec.name}_1" if spec.each else spec.name
            self._declare_each(owner, spec, 1)
            self._add(Role.IMAGE, owner, name, (), span=spec.span)
            return
        self.values[spec.span] = spec.file
        say = self.look.text(spec.say) if files else ""
        # What is over `max` is not looked at: it is not sent, so a fault in it is none.
        taken = files[: spec.max if spec.each else 1]
        self._declare_each(owner, spec, len(taken))
        for number, file in enumerate(taken, 1):
            name = f"{spec.name}_{number}" if spec.each else spec.name
            media = self.look.picture(spec.file, file, spec.pin)
            self._add(Role.IMAGE, owner, name, (media,), say=say, span=spec.span)

    def _add_element(self, owner: str, spec: ElementSpec) -> None:
        media: list[Media | None] = []
        for value in spec.images:
            files = self.look.files(value)
            if files == ():
                self._blank(value, f"an image of '{spec.name}'")
            # None keeps the place of a picture that has a finding: without it the element would be
            # sent with a picture too few, which is another element.
            media += [self.look.picture(value, file) for file in files or ()] or [None]
        say = self.look.text(spec.description)
        self._declare(owner, spec.name, attached=True)
        self._add(Role.ELEMENT, owner, spec.name, tuple(media), say=say, span=spec.span)

    def _add_video(self, owner: str, spec: VideoSpec) -> None:
        role = self.look.text(spec.role)
        # Rules of combination know a video by what it is for: guide or edit.
        self.parts |= {role, "fast"} if spec.fast else {role}
        self.keep_audio = spec.keep_audio
        media = self._add_single(Role.VIDEO, owner, spec.file, pin=spec.pin)
        if media is None:
            return
        said = None if media.local else self.look.value(spec.seconds)
        self.seconds = media.seconds if said is None else float(said)
        self.declared = None if said is None else spec.seconds
        if role == "edit" and self.seconds is None:
            message = "an edit of an address needs its length, which is the price"
            self.look.fault(spec.file, "seconds-needed", message, "add seconds: 5, say")

    def _add_single(self, role: Role, owner: str, value: Value, *, pin: str = "") -> Media | None:
        """Attach what there can be one of."""
        if role in self.counts:
            message = f"there can be only one {_SINGLE[role]}"
            first = self.spans[_PARTS.get(role, role.value)]
            self.look.fault(value, "two-references", message, "leave one out", related=(first,))
            return None
        files = self.look.files(value)
        if files == ():
            self._blank(value, f"the {_SINGLE[role]}")
        media_type = "video" if role is Role.VIDEO else "image"
        media = self.look.look(value, files[0], media_type, pin) if files else None
        self.values[value.span] = value
        self._declare(owner, role.value, attached=True)
        self._add(role, owner, role.value, (media,), span=value.span)
        return media

    def _declare(self, owner: str, name: str, *, attached: bool) -> None:
        self.refs[name] = attached
        if owner:
            self.refs[f"{owner}.{name}"] = attached

    def _declare_each(self, owner: str, spec: ImageSpec, count: int) -> None:
        # Those that a row lacks are declared too: `refs.view_2` is false there, and not unknown, so
        # that one prompt serves products with one photo and with several.
        for number in range(1, MOST_LISTED + 1) if spec.each else ():
            self._declare(owner, f"{spec.name}_{number}", attached=number <= count)

    def _add(
        self,
        role: Role,
        owner: str,
        name: str,
        media: tuple[Media | None, ...],
        *,
        say: str = "",
        span: Span,
    ) -> None:
        # What has a finding counts as well, so that the numbers and limits of the others are right.
        ordinal = self.counts[role] = self.counts.get(role, 0) + 1
        token = Token(role=role, ordinal=ordinal)
        # A plain name that two bundles share stays with the first; the manifest refuses it.
        self.tokens.setdefault(name, token)
        if owner:
            self.tokens[f"{owner}.{name}"] = token
        part = _PARTS.get(role, role.value)
        # The video is none of these: its part is its role, which `_add_video` has noted.
        self.parts |= {part} & set(_PARTS.values())
        self.spans.setdefault(part, span)
        whole = tuple(each for each in media if each is not None)
        if len(whole) == len(media) > 0:
            self.references.append(
                Reference(role=role, ordinal=ordinal, name=name, media=whole, say=say, span=span)
            )

    def _blank(self, value: Value, what: str, hint: str = "") -> None:
        self.look.fault(value, "blank-reference", f"{what} has no file", hint)
