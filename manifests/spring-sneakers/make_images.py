#!/usr/bin/env python3
"""Draw the campaign's product pictures: eight sneakers, their details, their frames, the studio.

Everything is made here from curves and light, so that the example needs no photographer and no
licence. A shoe is a silhouette that is puffed up into a height field and lit from the upper left;
panels lie on it with rounded edges. Run it to write `refs/` again: the same files each time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
Picture = NDArray[np.float32]
Points = Sequence[tuple[float, float]]
LIGHT = np.array([-0.42, -0.70, 0.58], np.float32)
SMOOTH = 2
"""Everything is drawn this many times larger, then scaled down."""


@dataclass(frozen=True)
class Sneaker:
    """One shoe: its cut, its side mark, and its colours as #rrggbb."""

    sku: str
    cut: str
    mark: str
    upper: str
    panel: str
    accent: str
    sole: str
    tread: str
    backdrop: str


# sku, cut, mark, upper, panel, accent, sole, tread, backdrop
RANGE = tuple(
    Sneaker(*line.split())
    for line in """
    SKU-1001 runner wave #f2664b #d9432f #ffe9dc #fbf6f0 #d9432f #f3d9cf
    SKU-1002 court  bars #f4f3ef #e4e2dc #1f3a68 #fbfaf7 #b98a55 #cfd8e4
    SKU-1003 knit   wave #9db59a #7f9b80 #e9efe2 #f6f5ee #cfc9b8 #dfe6da
    SKU-1004 trail  peak #3f5a45 #2c4133 #f08a24 #e9e3d4 #2a2a28 #d9d2c0
    SKU-1005 high   bars #26262a #17171a #d8a946 #f3efe6 #d8a946 #d8d3ca
    SKU-1006 court  peak #d9c3a0 #c6aa80 #8a5a34 #f4ecdd #a97845 #e9dfcf
    SKU-1007 runner bars #2b7f9e #1c5f7d #b9ecee #f2f7f8 #14445c #cfe3ea
    SKU-1008 high   wave #b8283a #8f1a2b #fdf3ea #fbf7f1 #8f1a2b #ecd3d3
    """.strip().splitlines()
)

# Cuts, in a box of 1000 x 640 with the toe to the right. The ground is at 600.
COLLARS: Mapping[str, Points] = {
    "low": ((36, 440), (44, 360), (66, 285), (74, 235), (60, 190), (74, 166), (98, 172),
            (120, 205), (170, 240), (235, 250), (300, 222),
            (338, 178), (352, 128), (385, 104), (420, 120), (440, 160)),
    "high": ((40, 430), (46, 350), (68, 270), (86, 170), (80, 80), (76, 40), (98, 18), (140, 18),
             (200, 34), (262, 34), (318, 12),
             (352, -34), (392, -48), (424, -22), (436, 50), (448, 140)),
}  # fmt: skip
FRONT: Mapping[str, Points] = {
    "sleek": ((500, 215), (575, 275), (650, 328), (740, 362), (830, 386), (905, 418), (955, 462),
              (972, 500), (965, 530)),
    "round": ((500, 220), (575, 290), (650, 345), (735, 368), (830, 372), (905, 392), (955, 438),
              (974, 492), (968, 530)),
}  # fmt: skip
SOLES: Mapping[str, Points] = {
    "rocker": ((20, 470), (60, 452), (150, 472), (330, 492), (560, 498), (760, 492), (900, 470),
               (985, 436),
               (1004, 462), (996, 505), (955, 552), (860, 588), (700, 600), (400, 600), (150, 600),
               (60, 594), (14, 565), (4, 515)),
    "cup": ((34, 508), (40, 500), (150, 506), (400, 514), (700, 512), (900, 502), (972, 488),
            (990, 500),
            (992, 545), (975, 588), (930, 600), (700, 602), (400, 602), (110, 602), (58, 600),
            (36, 580)),
}  # fmt: skip
CUTS: Mapping[str, tuple[str, str, str]] = {
    "runner": ("low", "sleek", "rocker"),
    "knit": ("low", "sleek", "rocker"),
    "trail": ("low", "round", "rocker"),
    "court": ("low", "round", "cup"),
    "high": ("high", "round", "cup"),
}


def smooth(points: Points, steps: int = 14) -> list[tuple[float, float]]:
    """Return a closed Catmull-Rom curve through the points."""
    knots = np.array(points, float)
    before, after, later = (np.roll(knots, n, axis=0) for n in (1, -1, -2))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = 0.5 * (
        2 * knots
        + (after - before) * t
        + (2 * before - 5 * knots + 4 * after - later) * t**2
        + (3 * knots - before - 3 * after + later) * t**3
    )
    return [(float(x), float(y)) for x, y in curve.transpose(1, 0, 2).reshape(-1, 2)]


def blurred(field: Picture, radius: float) -> Picture:
    """Return the field after three box blurs, which together look like a Gaussian."""
    if radius > 12:  # noqa: PLR2004 - wide blurs have no detail: a quarter of the size will do
        small = Image.fromarray(field).reduce(4)
        wide = Image.fromarray(blurred(np.asarray(small), radius / 4))
        return np.asarray(wide.resize(field.shape[::-1], Image.Resampling.BILINEAR))
    reach = max(1, round(radius))
    for axis in (0, 1) * 3:
        edges = [(reach + 1, reach) if n == axis else (0, 0) for n in (0, 1)]
        total = np.cumsum(np.pad(field, edges, mode="edge"), axis=axis, dtype=np.float64)
        width = 2 * reach + 1
        later = [slice(width, None) if n == axis else slice(None) for n in (0, 1)]
        sooner = [slice(None, -width) if n == axis else slice(None) for n in (0, 1)]
        field = ((total[tuple(later)] - total[tuple(sooner)]) / width).astype(np.float32)
    return field


def frame_of(mask: Picture, margin: float) -> tuple[slice, slice]:
    """Return the part of the picture that holds the mask, and a margin around it."""
    found = []
    for axis in (1, 0):
        used = np.flatnonzero(mask.max(axis=axis))
        first, last = (used[0], used[-1]) if len(used) else (0, 0)
        found.append(slice(max(0, int(first - margin)), int(last + margin) + 1))
    return found[0], found[1]


def colour(code: str) -> Picture:
    """Return #rrggbb as linear-ish floats."""
    return np.array([int(code[n : n + 2], 16) / 255 for n in (1, 3, 5)], np.float32)


class Easel:
    """A picture in the making; shoe coordinates are scaled and moved onto it."""

    def __init__(self, size: tuple[int, int], at: tuple[float, float], scale: float) -> None:
        self.width, self.height = size[0] * SMOOTH, size[1] * SMOOTH
        self.at = (at[0] * SMOOTH, at[1] * SMOOTH)
        self.scale = scale * SMOOTH
        self.pixels = np.zeros((self.height, self.width, 3), np.float32)
        self.shoe = np.zeros((self.height, self.width), np.float32)
        """Where there is shoe already: shadows of panels fall only there."""

    def place(self, points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        """Return shoe coordinates as pixels."""
        return [(self.at[0] + x * self.scale, self.at[1] + y * self.scale) for x, y in points]

    def mask(self, *shapes: Points) -> Picture:
        """Return the union of closed shapes as coverage from 0 to 1."""
        image = Image.new("L", (self.width, self.height))
        for shape in shapes:
            ImageDraw.Draw(image).polygon(self.place(shape), fill=255)
        return np.asarray(image, np.float32) / 255

    def strokes(self, lines: Iterable[Points], width: float) -> Picture:
        """Return lines with round ends as coverage."""
        image = Image.new("L", (self.width, self.height))
        draw = ImageDraw.Draw(image)
        radius = width * self.scale / 2
        for line in lines:
            points = self.place(line)
            draw.line(points, fill=255, width=round(2 * radius), joint="curve")
            for x, y in (points[0], points[-1]):
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        return np.asarray(image, np.float32) / 255

    def blur(self, field: Picture, radius: float) -> Picture:
        """Blur by a radius in shoe coordinates."""
        return blurred(field, radius * self.scale)

    def paint(self, mask: Picture, paint: Picture, opacity: float = 1.0) -> None:
        """Lay a colour, or a picture, over the mask."""
        cover = (mask * opacity)[..., None]
        self.pixels = self.pixels * (1 - cover) + paint * cover

    def relief(self, mask: Picture, radius: float, strength: float) -> Picture:
        """Return how bright a puffed-up mask is under the light, about 1 where it is flat."""
        height = self.blur(mask, radius) * radius * self.scale * strength
        slope_y, slope_x = np.gradient(height)
        normal = np.stack([-slope_x, -slope_y, np.ones_like(height)], axis=-1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        lit: Picture = (normal @ LIGHT) / LIGHT[2]
        return np.clip(lit, 0.25, 1.9)

    def panel(
        self, mask: Picture, code: str, light: Picture, *, edge: float = 5, drop: float = 0.35
    ) -> None:
        """Lay a piece of material on the shoe: a soft shadow under it, a rounded edge on it."""
        part = frame_of(mask, 30 * self.scale)
        piece, pixels = mask[part], self.pixels[part]
        if drop:
            fall = round(5 * self.scale)
            shadow = np.pad(self.blur(piece, 7), ((fall, 0), (0, 0)))[: len(piece)]
            pixels = pixels * (1 - (shadow * self.shoe[part] * drop)[..., None])
        bevel = self.relief(piece, edge, 0.5) if edge else np.ones_like(piece)
        shade = (light[part] * (0.35 + 0.65 * bevel))[..., None]
        lit = np.clip(colour(code) * shade + np.clip(shade - 1.05, 0, 1) * 0.35, 0, 1)
        cover = piece[..., None]
        self.pixels[part] = pixels * (1 - cover) + lit * cover

    def finished(self, noise: float = 0.006) -> Image.Image:
        """Return the picture in its true size, with a little grain against banding."""
        grain = np.random.default_rng(7).normal(0, noise, self.pixels.shape[:2])[..., None]
        whole = (np.clip(self.pixels + grain, 0, 1) * 255).astype(np.uint8)
        return Image.fromarray(whole).resize(
            (self.width // SMOOTH, self.height // SMOOTH), Image.Resampling.LANCZOS
        )


def draw_set(easel: Easel, code: str, *, floor: float, plinth: bool, power: float = 1.0) -> None:
    """Draw a studio: a wall that runs into the floor, one soft light from the upper left."""
    tint = colour(code)
    y = np.linspace(0, 1, easel.height, dtype=np.float32)[:, None]
    x = np.linspace(0, 1, easel.width, dtype=np.float32)[None, :]
    glow = np.exp(-(((x - 0.46) / 0.5) ** 2 + ((y - 0.42) / 0.55) ** 2))
    bend = 1 / (1 + np.exp(-(y - floor) / 0.018))
    wall = 0.66 + 0.38 * glow
    ground = 0.93 + 0.12 * glow - 0.22 * np.clip((y - floor) / (1 - floor), 0, 1) ** 1.4
    level = (wall * (1 - bend) + ground * bend)[..., None]
    easel.pixels = np.clip(tint * level * power, 0, 1)
    if plinth:
        draw_plinth(easel, tint * power)


def draw_plinth(easel: Easel, tint: Picture) -> None:
    """Draw a round plinth whose top the shoe stands on."""
    top = [
        (500 + 640 * math.cos(a), 604 + 92 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 180)
    ]
    low = [(x, y + 2000) for x, y in top]
    body = easel.mask([(-140, 604), (1140, 604), (1140, 2600), (-140, 2600)], low)
    x = (np.arange(easel.width, dtype=np.float32) - easel.at[0]) / easel.scale
    round_ = np.clip((x + 140) / 1280, 0, 1)
    side = 0.62 + 0.42 * np.exp(-(((round_ - 0.32) / 0.3) ** 2)) - 0.12 * round_
    easel.paint(easel.blur(body, 30), np.zeros(3, np.float32), 0.10)
    easel.paint(body, np.clip(tint * side[None, :, None], 0, 1))
    easel.paint(easel.mask(top), np.clip(tint * (0.98 + 0.1 * round_[::-1])[None, :, None], 0, 1))


def draw_shadow(easel: Easel) -> None:
    """Draw the shoe's shadow: a wide soft one, and a dark one where it touches."""

    def oval(cx: float, rx: float, ry: float) -> Points:
        return [(cx + rx * math.cos(a), 600 + ry * math.sin(a)) for a in np.linspace(0, 6.283, 90)]

    ink = np.array([0.10, 0.07, 0.09], np.float32)
    easel.paint(easel.blur(easel.mask(oval(545, 520, 40)), 46), ink, 0.42)
    easel.paint(easel.blur(easel.mask(oval(505, 440, 13)), 12), ink, 0.62)


def draw_shoe(easel: Easel, shoe: Sneaker) -> None:
    """Draw one sneaker from heel to toe, from the inside out."""
    collar, front, sole = CUTS[shoe.cut]
    outline = smooth(
        [*COLLARS[collar], *FRONT[front], (800, 560), (500, 560), (200, 560), (66, 545)]
    )
    upper = easel.mask(outline)
    light = easel.relief(upper, 60, 1.15) * 0.96
    rise = -150.0 if collar == "high" else 0.0
    inside(easel, shoe, rise)
    easel.shoe = np.maximum(easel.shoe, upper)
    easel.panel(upper, shoe.upper, light, edge=0, drop=0)
    weave(easel, shoe, upper)
    panels(easel, shoe, upper, light)
    if shoe.cut != "knit":
        laces(easel, shoe, light, rise)
    tread(easel, shoe, SOLES[sole])


def inside(easel: Easel, shoe: Sneaker, rise: float) -> None:
    """Draw the far side of the collar and the tongue, which the upper then covers in part."""
    lining = easel.mask(
        smooth(
            [
                (84, 190 + rise),
                (150, 168 + rise),
                (250, 176 + rise),
                (345, 150 + rise),
                (380, 190 + rise),
                (330, 270 + rise),
                (200, 290 + rise),
                (100, 250 + rise),
            ]
        )
    )
    easel.shoe = np.maximum(easel.shoe, lining)
    dark = colour(shoe.panel) * 0.42
    easel.paint(lining, dark)
    tongue = easel.mask(
        smooth(
            [
                (352, 180 + rise),
                (366, 98 + rise),
                (398, 66 + rise),
                (446, 74 + rise),
                (470, 120 + rise),
                (520, 210),
                (470, 250),
                (390, 230 + rise / 2),
            ]
        )
    )
    easel.shoe = np.maximum(easel.shoe, tongue)
    easel.panel(tongue, shoe.panel, easel.relief(tongue, 22, 0.8), edge=0)


def weave(easel: Easel, shoe: Sneaker, upper: Picture) -> None:
    """Draw the cloth: rows of fine holes on the forefoot, ribs on a knit."""
    tone = colour(shoe.upper) * 0.72
    if shoe.cut == "knit":
        ribs = [[(x, 60), (x + 150, 330), (x + 130, 600)] for x in range(-60, 1000, 13)]
        easel.paint(easel.strokes(ribs, 3) * upper, tone, 0.55)
        return
    dots = [
        [(x + (y // 17 % 2) * 9, y), (x + (y // 17 % 2) * 9 + 0.1, y)]
        for y in range(370, 500, 17)
        for x in range(660, 900, 19)
    ]
    easel.paint(easel.strokes(dots, 6) * upper, tone, 0.8)


def panels(easel: Easel, shoe: Sneaker, upper: Picture, light: Picture) -> None:
    """Draw what is sewn on: toe cap, heel, eyestay, and the mark on the side."""

    def sewn(points: Points, code: str, edge: float = 5) -> None:
        curve = smooth(points)
        easel.panel(easel.mask(curve) * upper, code, light, edge=edge)

    sewn(
        [(868, 380), (832, 420), (820, 470), (838, 540), (900, 600), (1050, 560), (1040, 400)],
        shoe.panel,
    )
    sewn(
        [
            (-20, 260),
            (60, 250),
            (150, 300),
            (210, 380),
            (262, 470),
            (300, 560),
            (100, 640),
            (-60, 560),
        ],
        shoe.panel,
    )
    if shoe.cut != "knit":
        sewn(
            [
                (350, 130),
                (440, 150),
                (520, 205),
                (600, 280),
                (690, 335),
                (720, 372),
                (690, 408),
                (610, 398),
                (500, 335),
                (410, 270),
                (345, 225),
            ],
            shoe.panel,
        )
    for points in MARKS[shoe.mark]:
        easel.panel(easel.mask(smooth(points)) * upper, shoe.accent, light, edge=4)
    stitches(easel, upper)


MARKS: Mapping[str, Sequence[Points]] = {
    "wave": (
        [(470, 322), (505, 345), (440, 400), (360, 440), (300, 500), (262, 500), (310, 430),
         (400, 380)],
        [(545, 372), (582, 392), (520, 440), (440, 470), (392, 520), (350, 520), (400, 462),
         (480, 420)],
    ),
    "bars": (
        [(372, 330), (440, 372), (424, 440), (380, 520), (318, 520), (362, 430)],
        [(482, 380), (538, 408), (516, 468), (488, 520), (432, 520), (470, 450)],
    ),
    "peak": (
        [(290, 500), (345, 420), (400, 350), (455, 420), (510, 500), (470, 500), (400, 410),
         (330, 500)],
        [(440, 500), (480, 440), (520, 400), (570, 440), (620, 500), (585, 500), (520, 445),
         (478, 500)],
    ),
}  # fmt: skip


def stitches(easel: Easel, upper: Picture) -> None:
    """Draw the seams as fine dashes just inside the panels."""
    seams = (
        [(858, 392), (822, 430), (808, 474), (826, 540)],
        [(74, 262), (150, 312), (204, 388), (252, 474), (282, 540)],
    )
    dashes = []
    for seam in seams:
        curve = np.array(smooth([*seam, *reversed(seam)], 40))[: 40 * (len(seam) - 1)]
        dashes += [list(map(tuple, curve[n : n + 4])) for n in range(0, len(curve) - 4, 8)]
    easel.paint(easel.strokes(dashes, 2.2) * upper, np.ones(3, np.float32), 0.55)


def laces(easel: Easel, shoe: Sneaker, light: Picture, rise: float) -> None:
    """Draw the laces from the ankle down to the toes, along the throat of the shoe."""
    down, across = [-60, 120, 160, 215, 275, 328, 356], [436, 436, 448, 500, 575, 650, 700]
    for y in np.linspace(112 + rise * 0.92, 334, 7 if rise else 6):
        x = float(np.interp(y + 14, down, across)) - 30
        bar = easel.strokes([[(x - 36, y + 64), (x - 6, y + 34), (x + 22, y + 14)]], 17)
        easel.shoe = np.maximum(easel.shoe, bar)
        easel.panel(bar, shoe.accent, np.ones_like(light), edge=5, drop=0.45)
        hole = easel.strokes([[(x - 36, y + 64), (x - 36.1, y + 64)]], 11)
        easel.paint(hole, colour(shoe.panel) * 0.35, 0.9)


def tread(easel: Easel, shoe: Sneaker, points: Points) -> None:
    """Draw the sole: foam with a groove, rubber where it meets the ground."""
    outline = smooth(points)
    foam = easel.mask(outline)
    easel.shoe = np.maximum(easel.shoe, foam)
    light = easel.relief(foam, 20, 0.9)
    easel.panel(foam, shoe.sole, light * 0.9, edge=0, drop=0.5)
    rubber = easel.mask([(-50, 574), (1100, 574), (1100, 700), (-50, 700)]) * foam
    easel.panel(rubber, shoe.tread, light, edge=3, drop=0)
    if shoe.cut == "trail":
        lugs = [[(x, 590), (x + 8, 614), (x + 36, 614), (x + 44, 590)] for x in range(70, 780, 62)]
        easel.panel(easel.mask(*lugs), shoe.tread, np.ones_like(light) * 0.8, edge=4, drop=0)
    groove = easel.strokes([[(40, 545), (300, 552), (640, 552), (860, 542), (985, 505)]], 4)
    easel.paint(groove * foam, colour(shoe.accent) * 0.6, 0.65)


def product_view(
    shoe: Sneaker, size: tuple[int, int], at: tuple[float, float], scale: float
) -> Easel:
    """Return the shoe before its backdrop."""
    easel = Easel(size, at, scale)
    draw_set(easel, shoe.backdrop, floor=0.70, plinth=False)
    draw_shadow(easel)
    draw_shoe(easel, shoe)
    return easel


def lit_frame(shoe: Sneaker) -> Easel:
    """Return the last frame: the shoe on the plinth, in full light."""
    easel = Easel((1280, 720), (325, 130), 0.63)
    draw_set(easel, shoe.backdrop, floor=0.80, plinth=True)
    draw_shadow(easel)
    draw_shoe(easel, shoe)
    return easel


def darkened(easel: Easel) -> Easel:
    """Turn the key light off: the set goes dark, a rim light draws the outline."""
    inner = easel.blur(np.roll(easel.shoe, round(7 * easel.scale), axis=0), 7)
    rim = easel.shoe * np.clip(1.6 - inner * 1.7, 0, 1)
    halo = easel.blur(easel.shoe, 60) * (1 - easel.shoe) * 0.10
    night = easel.pixels * np.array([0.10, 0.11, 0.14], np.float32)
    warm = np.array([1.0, 0.93, 0.84], np.float32)
    easel.pixels = np.clip(night + (rim * 0.85 + halo)[..., None] * warm, 0, 1)
    return easel


def studio() -> Easel:
    """Return the empty set: plinth, paper backdrop, a window's light on the wall."""
    easel = Easel((1280, 720), (325, 130), 0.63)
    draw_set(easel, "#e6ddd0", floor=0.80, plinth=False)
    panes = [
        [(x, y), (x + 190, y - 40), (x + 250, y + 150), (x + 60, y + 190)]
        for x, y in ((560, -40), (785, -88), (632, 185), (857, 137))
    ]
    easel.paint(easel.blur(easel.mask(*panes), 10), np.array([1, 0.97, 0.9], np.float32), 0.5)
    draw_plinth(easel, colour("#e6ddd0"))
    return easel


def save(easel: Easel, name: str) -> None:
    """Write a picture into `refs/`."""
    easel.finished().save(HERE / "refs" / f"{name}.jpg", quality=80, optimize=True)


def main() -> None:
    """Draw everything again."""
    (HERE / "refs").mkdir(exist_ok=True)
    save(studio(), "studio")
    for shoe in RANGE:
        save(product_view(shoe, (1000, 750), (108, 158), 0.785), f"{shoe.sku}-front")
        save(product_view(shoe, (750, 750), (-640, -235), 1.62), f"{shoe.sku}-detail")
        frame = lit_frame(shoe)
        save(frame, f"{shoe.sku}-last")
        save(darkened(frame), f"{shoe.sku}-first")


if __name__ == "__main__":
    main()
