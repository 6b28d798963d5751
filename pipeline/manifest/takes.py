"""Whether several takes of an item would share one path: said before any item is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pipeline.domain import Manifest, Shot, Template, Value
from pipeline.findings import Finding, Span


def take_faults(shots: Iterable[Shot], manifest: Manifest) -> Mapping[Span, Finding]:
    """Return the findings for shots that want several takes and whose path has no `take`."""
    found: dict[Span, Finding] = {}
    for shot in shots:
        place = _several(manifest, shot)
        if place is not None and "take" not in shot.output.names:
            found[shot.span] = Finding(
                slug="path-without-take",
                message=f"the takes of shot '{shot.id}' would share one file",
                span=shot.output.span,
                hint="put {{ take }} into the path, as in {{ cell }}_t{{ take }}.{{ ext }}",
                related=(place,),
            )
    return found


def apart(shots: Iterable[Shot], faults: Mapping[Span, Finding]) -> tuple[Shot, ...]:
    """Return the shots; further takes of those with a fault go where nothing else can be.

    That their takes clash is told once, here, and not again for each item.
    """
    return tuple(
        replace(shot, output=_numbered(shot.output)) if shot.span in faults else shot
        for shot in shots
    )


def _numbered(path: Template) -> Template:
    def render(context: Mapping[str, Any]) -> str:
        take = context["take"]
        return str(path.render(context)) + (f"#{take}" if take > 1 else "")

    return replace(path, render=render, names=path.names | {"take"})


def _several(manifest: Manifest, shot: Shot) -> Span | None:
    """Where more than one take is asked for; a template's number is not known yet."""
    above = manifest.overrides.get("takes")
    if above is not None:
        return _more(above)
    values = [*_axis(shot), *_rows(manifest, shot)]
    own = shot.settings.get("takes", manifest.defaults.get("takes"))
    values += [own] if own is not None else []
    return next((place for place in map(_more, values) if place is not None), None)


def _axis(shot: Shot) -> list[Value]:
    cells = shot.variants
    axes = (*cells.matrix, *cells.pairs) if cells else ()
    return [value for axis in axes if axis.name == "takes" for value in axis.values]


def _rows(manifest: Manifest, shot: Shot) -> list[Value]:
    table = manifest.tables.get(shot.table or "")
    return [
        row.steering["takes"] for row in (table.rows if table else ()) if "takes" in row.steering
    ]


def _more(value: Value) -> Span | None:
    count: Any = value.data
    return value.span if isinstance(count, int) and count > 1 else None
