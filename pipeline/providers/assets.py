"""How an item's media stand in a request: a local one as a placeholder, a public one as its URL.

The order is the references' own (ordinals), which is what `image 1` in a prompt counts by.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.domain import Item, Media, Role
from pipeline.providers.base import ASSET, Part

_UNUSUAL: Mapping[str, str] = MappingProxyType({"mov": "quicktime", "jpg": "jpeg"})


def placeholder(media: Media) -> str:
    """Return what stands for a medium until it is uploaded; a URL stands for itself."""
    return ASSET + media.digest if media.local else media.source


def all_of(item: Item, role: Role) -> list[str]:
    """Return the stand-ins of a role's references, in order, one for each."""
    return [placeholder(found.media[0]) for found in item.references if found.role is role]


def one_of(item: Item, role: Role) -> str | None:
    """Return the stand-in of the only reference of a role, or None."""
    found = all_of(item, role)
    return found[0] if found else None


def form_file(media: Media, field: str = "file") -> Part:
    """Return a local medium as one file of a form; its name tells nothing of the user's disk."""
    form = media.format or "bin"
    return Part(
        name=field,
        filename=f"{media.digest[:16]}.{form}",
        content_type=f"{media.media_type}/{_UNUSUAL.get(form, form)}",
    )
