"""Draw the starter's product photos: a mug on a table, from ovals, curves and one soft light.

They are drawn so that the package carries no photograph and a rehearsal has something to show.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from PIL import Image, ImageColor, ImageDraw, ImageFilter, ImageOps

SIZE = (960, 1280)
_SMOOTH = 2
"""Shapes are drawn this many times larger, then scaled down: that rounds their edges."""
_LARGE = (SIZE[0] * _SMOOTH, SIZE[1] * _SMOOTH)

MUGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "MUG-01": ("#c2573c", "#f0ddd2"),
        "MUG-02": ("#8fa888", "#e6e8dc"),
        "MUG-03": ("#2f4a73", "#d5dde6"),
    }
)
"""The colour of each mug, and of the wall behind it."""

_TABLE_Y = 900
_LEFT, _RIGHT, _TOP, _BOTTOM = 250, 650, 470, 980
_RIM = 52
"""Half the height of the mug's mouth, and of its foot."""


def photo(colours: tuple[str, str]) -> bytes:
    """Return the picture of a mug before a wall, as a JPEG."""
    clay, wall = colours
    picture = _room(wall)
    _shade(picture, _oval((_LEFT - 10, _BOTTOM - 45, _RIGHT + 230, _BOTTOM + 75)), 34, 0.42)
    _shade(picture, _oval((_LEFT + 20, _BOTTOM - 40, _RIGHT + 40, _BOTTOM + 62)), 10, 0.40)
    _lay(picture, _handle(), clay)
    _lay(picture, _body(), clay)
    _inside(picture, clay)
    made = io.BytesIO()
    picture.save(made, "JPEG", quality=88)
    return made.getvalue()


def _room(wall: str) -> Image.Image:
    """Return a wall that grows lighter upwards, and a table that grows darker to the front."""
    slope = Image.linear_gradient("L").resize(SIZE)
    room = ImageOps.colorize(slope, _mixed(wall, "white", 0.5), _mixed(wall, "black", 0.06))
    table = ImageOps.colorize(slope, _mixed(wall, "white", 0.55), _mixed(wall, "black", 0.22))
    front = Image.new("L", SIZE)
    ImageDraw.Draw(front).rectangle((0, _TABLE_Y, *SIZE), fill=255)
    room.paste(table, mask=front.filter(ImageFilter.GaussianBlur(12)))
    return room


def _body() -> Image.Image:
    """Return the mug's outline: straight sides, a round foot, a round mouth."""
    mask = _oval((_LEFT, _TOP - _RIM, _RIGHT, _TOP + _RIM))
    low = Image.new("L", _LARGE)
    draw = ImageDraw.Draw(low)
    draw.rounded_rectangle(
        _large((_LEFT, _TOP - 200, _RIGHT, _BOTTOM + _RIM)), _large((110,))[0], 255
    )
    draw.rectangle(_large((0, 0, SIZE[0], _TOP)), 0)
    return Image.composite(Image.new("L", SIZE, 255), mask, low.reduce(_SMOOTH))


def _handle() -> Image.Image:
    """Return a ring that stands out on the right; the body covers its other half."""
    x, y = _RIGHT + 5, (_TOP + _BOTTOM) // 2 - 10
    mask = Image.new("L", _LARGE)
    draw = ImageDraw.Draw(mask)
    draw.ellipse(_large((x - 150, y - 165, x + 150, y + 165)), 255)
    draw.ellipse(_large((x - 90, y - 105, x + 90, y + 105)), 0)
    return mask.reduce(_SMOOTH)


def _inside(picture: Image.Image, clay: str) -> None:
    """Draw the mouth: a light rim, the dark of the inside, and what is in it."""
    picture.paste(
        _mixed(clay, "white", 0.45), mask=_oval((_LEFT, _TOP - _RIM, _RIGHT, _TOP + _RIM))
    )
    mouth = _oval((_LEFT + 16, _TOP - 40, _RIGHT - 16, _TOP + 42))
    picture.paste(_mixed(clay, "black", 0.45), mask=mouth)
    coffee = _oval((_LEFT + 40, _TOP - 12, _RIGHT - 40, _TOP + 62))
    picture.paste("#4a2f22", mask=Image.composite(coffee, Image.new("L", SIZE), mouth))


def _lay(picture: Image.Image, mask: Image.Image, clay: str) -> None:
    """Lay a round thing of this colour over the picture, lit from the left."""
    light = Image.linear_gradient("L").rotate(90).resize((_RIGHT - _LEFT + 200, SIZE[1]))
    across = Image.new("L", SIZE)
    across.paste(light, (_LEFT - 20, 0))
    lit = ImageOps.colorize(
        across,
        _mixed(clay, "black", 0.16),
        _mixed(clay, "black", 0.5),
        _mixed(clay, "white", 0.3),
        midpoint=70,
    )
    picture.paste(lit, mask=mask)


def _shade(picture: Image.Image, mask: Image.Image, blur: int, depth: float) -> None:
    soft = mask.filter(ImageFilter.GaussianBlur(blur)).point(lambda grey: grey * depth)
    picture.paste("#2a2320", mask=soft)


def _oval(box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", _LARGE)
    ImageDraw.Draw(mask).ellipse(_large(box), fill=255)
    return mask.reduce(_SMOOTH)


def _large(numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple(number * _SMOOTH for number in numbers)


def _mixed(one: str, other: str, share: float) -> tuple[int, ...]:
    """Return a colour with a share of another in it."""
    pair = (ImageColor.getrgb(one), ImageColor.getrgb(other))
    return tuple(round(a + (b - a) * share) for a, b in zip(*pair, strict=True))
