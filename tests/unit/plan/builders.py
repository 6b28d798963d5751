"""Manifests built by hand, with templates that are functions: nothing here reads a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.domain import (
    Axis,
    Budget,
    Bundle,
    Constraints,
    FramesSpec,
    ImageSpec,
    Item,
    Kind,
    Manifest,
    Match,
    Media,
    Mention,
    Offer,
    Operation,
    Policy,
    Row,
    Shot,
    Table,
    Template,
    Value,
    Variants,
    VideoSpec,
)
from pipeline.errors import MediaFault, TemplateFault
from pipeline.findings import Finding, Span
from pipeline.plan import Expansion, expand

PLACE = Span(file="m.yaml", line=1, column=1, end_column=2)
FOLDER = Path("campaign")
TABLES = Path("tables")
_SLOT = re.compile(r"\{\{\s*(?P<name>[\w.]+)\s*\}\}")
_TOKEN = re.compile(r"@([a-z][\w.]*\w|[a-z])")


def at(line: int) -> Span:
    """Return a place in the manifest."""
    return replace(PLACE, line=line)


def value(data: Any, line: int = 1) -> Value:
    """Return a manifest value; a text with `{{ name }}` becomes a template."""
    if isinstance(data, str) and "{{" in data:
        data = setting_template(data, line)
    return Value(data=data, span=at(line), folder=FOLDER)


def lookup(context: Mapping[str, Any], name: str, span: Span = PLACE) -> Any:
    """Return what a dotted name stands for."""
    found: Any = context
    for step in name.split("."):
        if step not in found:
            raise TemplateFault("undefined-name", f"'{name}' is not defined", span)
        found = found[step]
    return found


def template(
    source: str,
    render: Callable[[Mapping[str, Any]], Any],
    line: int = 1,
    *,
    from_row: bool = False,
) -> Template:
    """Return a template that reads the names in `source` and renders by a function."""
    names = frozenset(found["name"] for found in _SLOT.finditer(source))
    return Template(source=source, span=at(line), names=names, render=render, from_row=from_row)


def filled(source: str, context: Mapping[str, Any], span: Span = PLACE) -> str:
    """Return a text with its names filled in."""
    return _SLOT.sub(lambda found: str(lookup(context, found["name"], span)), source)


def setting_template(source: str, line: int = 1) -> Template:
    """Return a template of one value, typed as the value is; None where blank."""
    whole = _SLOT.fullmatch(source)

    def render(context: Mapping[str, Any]) -> Any:
        if whole is None:
            return filled(source, context, at(line))
        found = lookup(context, whole["name"], at(line))
        return None if found == "" else found

    from_row = whole is not None and whole["name"].split(".")[0] in {"row", "product"}
    return template(source, render, line, from_row=from_row)


def prompt(source: str, line: int = 1) -> Template:
    """Return a prompt, in which `@name` is a mention."""

    def render(context: Mapping[str, Any]) -> tuple[str | Mention, ...]:
        pieces = _TOKEN.split(source)
        texts = [filled(text, context, at(line)) for text in pieces[::2]]
        names: list[Mention | None] = [Mention(name=name) for name in pieces[1::2]]
        found = [each for pair in zip(texts, [*names, None], strict=True) for each in pair]
        return tuple(each for each in found if each)

    return template(source, render, line)


def path(source: str = "{{ shot.id }}/{{ row_key }}/{{ cell }}_t{{ take }}.{{ ext }}") -> Template:
    """Return an output path."""
    return template(source, lambda context: filled(source, context))


def image(name: str, file: Any = "", line: int = 1, **more: Any) -> ImageSpec:
    """Return an image of a bundle."""
    return ImageSpec(name=name, file=value(file or f"{name}.png", line), span=at(line), **more)


def frames(first: Any = None, last: Any = None, fit: str | None = None) -> FramesSpec:
    """Return a bundle's frames."""
    return FramesSpec(
        first=value(first, 2) if first is not None else None,
        last=value(last, 3) if last is not None else None,
        fit=value(fit) if fit else None,
        span=PLACE,
    )


def video(role: str = "guide", file: str = "clip.mp4", **more: Any) -> VideoSpec:
    """Return a bundle's video."""
    return VideoSpec(file=value(file, 4), role=value(role), span=at(4), **more)


def bundle(*images: ImageSpec, name: str = "product", **more: Any) -> Bundle:
    """Return a bundle of images and whatever else is given."""
    return Bundle(name=name, images=images, span=PLACE, **more)


def variants(
    matrix: Mapping[str, Iterable[Any]] | None = None,
    pairs: Mapping[str, Iterable[Any]] | None = None,
    **more: Any,
) -> Variants:
    """Return variants; `exclude`, `add` are maps, `extend` pairs of maps."""
    for name in ("exclude", "add"):
        more[name] = tuple(
            Match(axes=axes, span=at(50 + index)) for index, axes in enumerate(more.get(name, ()))
        )
    more["extend"] = tuple(
        Match(axes=match, set={key: value(data) for key, data in given.items()}, span=at(60))
        for match, given in more.get("extend", ())
    )
    return Variants(matrix=_axes(matrix or {}), pairs=_axes(pairs or {}), span=at(40), **more)


def _axes(axes: Mapping[str, Iterable[Any]]) -> tuple[Axis, ...]:
    return tuple(
        Axis(name=name, values=tuple(value(each, 41) for each in values), span=at(40))
        for name, values in axes.items()
    )


def shot(text: str = "Rain on a window.", **more: Any) -> Shot:
    """Return a shot; `settings` are plain data, `references` bundles."""
    settings = {name: value(data, 20) for name, data in more.pop("settings", {}).items()}
    defaults: dict[str, Any] = {
        "id": "spin",
        "table": None,
        "prompt": prompt(text, 30),
        "settings": settings,
        "output": path(),
        "span": at(10),
    }
    return Shot(**{**defaults, **more})


def row(key: str, steering: Mapping[str, Any] | None = None, **values: Any) -> Row:
    """Return a row of a table whose file stands elsewhere than the manifest."""
    place = Span(file="products.csv", line=sum(key.encode()) + 2, column=1, end_column=1)
    return Row(
        key=key,
        values={"sku": key, **values},
        span=place,
        steering={name: Value(data=data, span=place) for name, data in (steering or {}).items()},
        cells={name: replace(place, column=index) for index, name in enumerate(values, 2)},
        folder=TABLES,
    )


def table(*rows: Row) -> Table:
    """Return the table `products`, whose rows are called `product`."""
    return Table(
        name="products",
        alias="product",
        key=("sku",),
        columns=tuple(rows[0].values) if rows else (),
        rows=rows,
        path=TABLES / "products.csv",
        span=PLACE,
    )


def manifest(*shots: Shot, rows: Iterable[Row] = (), **more: Any) -> Manifest:
    """Return a manifest; `defaults` and `overrides` are plain data."""
    for name in ("defaults", "overrides"):
        more[name] = {key: value(data, 5) for key, data in more.get(name, {}).items()}
    given = {"name": "spring", "vars": {}, "budget": Budget(), "policy": Policy(), **more}
    return Manifest(
        path=FOLDER / "m.yaml",
        folder=FOLDER,
        tables={"products": table(*rows)},
        shots=shots,
        providers={},
        span=PLACE,
        **given,
    )


@dataclass
class Album:
    """An inspector over pictures and clips that exist only by name; counts its looks."""

    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    seconds: float = 5.0
    changed: Mapping[str, str] = field(default_factory=dict)
    """Text that stands for a file's new content."""
    details: Mapping[str, Any] = field(default_factory=dict)
    encoder: str = ""
    """What the version of a library adds to the bytes of a picture that is made to fit."""
    looks: list[tuple[str, Path, str]] = field(default_factory=list)

    def look(self, file: str, folder: Path, media_type: str) -> Media:
        """Return a medium as if it had been measured."""
        self.looks.append((file, folder, media_type))
        if file in self.missing:
            raise MediaFault("missing-file", f"'{file}' does not exist", "is it misspelt?")
        content = self.changed.get(file, file)
        digest = hashlib.sha256(content.encode()).hexdigest()
        if "://" in file:
            return Media(media_type=media_type, source=file, local=False, digest=digest)
        width, height = self.sizes.get(file, (1080, 1080))
        clip = media_type == "video"
        measured: dict[str, Any] = {
            "format": "mp4" if clip else "png",
            "bytes": 1000,
            "width": width,
            "height": height,
            "seconds": self.seconds if clip else None,
            "fps": 24.0 if clip else None,
        }
        return Media(
            media_type=media_type,
            source=f"/files/{file}",
            local=True,
            digest=digest,
            **{**measured, **self.details},
        )

    def fit(self, media: Media, ratio: str, how: str) -> Media:
        """Return a picture of that ratio."""
        if not media.local:
            raise MediaFault("wrong-media", "only a local file can be made to fit")
        wide, high = (int(side) for side in ratio.split(":"))
        content = f"{media.digest} {ratio} {how}{self.encoder}"
        return replace(
            media,
            digest=hashlib.sha256(content.encode()).hexdigest(),
            width=wide * 400,
            height=high * 400,
            source_digest=media.digest,
            operations=(Operation(name=how, parameters={"ratio": ratio}, recipe=1),),
        )

    def convert(self, media: Media) -> Media:
        """Return a PNG of a picture that says it is unfit, else the picture itself."""
        if not media.unfit:
            return media
        content = f"{media.digest} converted{self.encoder}"
        return replace(
            media,
            digest=hashlib.sha256(content.encode()).hexdigest(),
            format="png",
            bytes=1000,
            source_digest=media.digest,
            operations=(Operation(name="convert", parameters={}, recipe=1),),
        )


_SHORT, _ANY = frozenset({5, 10}), frozenset(range(3, 11))
_CLIP: dict[str, Any] = {"clip_seconds": (3.0, 10.0), "max_images": 4, "keep_audio": True}


def offer(name: str, **kinds: Constraints) -> Offer:
    """Return what a provider offers, by kind."""
    return Offer(
        provider=name,
        title=name.title(),
        hosts={"api": f"https://{name}.example"},
        key_env=f"{name.upper()}_API_KEY",
        models={"kling-o1": {Kind(kind): terms for kind, terms in kinds.items()}},
        features=frozenset(),
        settings=frozenset({"safety"}) if name == "runware" else frozenset(),
    )


RUNWARE = offer(
    "runware",
    text=Constraints(durations=_SHORT),
    first_frame=Constraints(durations=_SHORT, ratio="frame"),
    frames=Constraints(durations=_SHORT, ratio="frame"),
    references=Constraints(durations=_ANY, ratio="provider", max_images=7),
    guide=Constraints(
        durations=_ANY,
        with_images=Constraints(durations=_ANY, ratio="provider", **_CLIP),
        **_CLIP,
    ),
    edit=Constraints(ratio="clip", **_CLIP),
)
UNIFICALLY = offer(
    "unifically",
    text=Constraints(durations=_SHORT, prompt_max=2000),
    first_frame=Constraints(durations=_SHORT),
    references=Constraints(durations=_ANY, max_images=7, max_elements=7, prompt_max=2000),
)
OFFERS = {"runware": RUNWARE, "unifically": UNIFICALLY}


def plan(campaign: Manifest, inspector: Album | None = None, **more: Any) -> Expansion:
    """Return the plan of a manifest over the two offers."""
    return expand(campaign, more.pop("offers", OFFERS), inspector or Album(), **more)


def items(campaign: Manifest, inspector: Album | None = None, **more: Any) -> list[Item]:
    """Return the items of a manifest that is right; fails on any error."""
    found = list(plan(campaign, inspector, **more))
    told = [each for each in found if isinstance(each, Finding) and each.severity == "error"]
    assert [] == told
    return [each for each in found if isinstance(each, Item)]


def findings(campaign: Manifest, inspector: Album | None = None, **more: Any) -> list[Finding]:
    """Return what is wrong with a manifest."""
    return [each for each in plan(campaign, inspector, **more) if isinstance(each, Finding)]


def slugs(campaign: Manifest, inspector: Album | None = None, **more: Any) -> list[str]:
    """Return the names of what is wrong with a manifest."""
    return [finding.slug for finding in findings(campaign, inspector, **more)]
