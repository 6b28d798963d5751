"""What moves in a clip: each scene writes itself into a frame's planes, given its time.

Time runs from 0 to 1 over the scene. Motion is slow and by whole pixels, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from PIL import Image

from pipeline.sandbox.render.cards import cover, framed, ground
from pipeline.sandbox.render.planes import (
    Patch,
    Planes,
    even,
    frame_planes,
    mix,
    paste,
    patch,
    planes,
    window,
)

_TRAVEL = 0.07
"""How far a picture moves over a scene, as a share of its side."""
_INSIDE = 0.05


class Scene(Protocol):
    """Something that can be drawn at a time."""

    def draw(self, target: Planes, time: float) -> None:
        """Write the scene at a time (0 to 1) into a frame."""
        ...


@dataclass(frozen=True, slots=True)
class Pan:
    """A picture that fills the frame and glides across it."""

    canvas: Planes
    size: tuple[int, int]
    backwards: bool = False

    def draw(self, target: Planes, time: float) -> None:
        """Copy the window that is seen at this time."""
        tall, wide = self.canvas[0].shape
        share = 1 - time if self.backwards else time
        left = round((wide - self.size[0]) * share)
        top = round((tall - self.size[1]) * share)
        paste(target, window(self.canvas, (left, top), self.size), 0, 0)


def pan(image: Image.Image, size: tuple[int, int], *, backwards: bool = False) -> Pan:
    """Return a picture gliding across the whole frame."""
    wide, tall = (side + even(side * _TRAVEL) for side in size)
    return Pan(planes(cover(image, (wide, tall))), size, backwards)


@dataclass(frozen=True, slots=True)
class Board:
    """A picture as a card with a shadow, drifting over a blurred ground made of itself."""

    ground: Planes
    card: Planes
    size: tuple[int, int]
    start: tuple[int, int]
    drift: tuple[int, int]
    shadow: tuple[Patch, ...]

    def draw(self, target: Planes, time: float) -> None:
        """Put the ground, the shadow, and the part of the picture that is seen."""
        paste(target, self.ground, 0, 0)
        left = even(self.start[0] + self.drift[0] * time)
        top = even(self.start[1] + self.drift[1] * time)
        for strip in self.shadow:
            strip.blend(target, left, top)
        tall, wide = self.card[0].shape
        inside = (round((wide - self.size[0]) * (1 - time)), round((tall - self.size[1]) * time))
        paste(target, window(self.card, inside, self.size), left, top)


def board(
    image: Image.Image, size: tuple[int, int], *, foot: int, backwards: bool = False
) -> Board:
    """Return a picture on a card; `foot` is the height at the bottom to stay clear of."""
    wide, tall = size
    room = (wide * 0.86, (tall - foot) * 0.86)
    scale = min(room[0] / image.width, room[1] / image.height)
    card = (even(image.width * scale), even(image.height * scale))
    drift = (even(wide * _TRAVEL * 0.8), even((tall - foot) * _TRAVEL * 0.5))
    middle = ((wide - card[0]) / 2, (tall - foot - card[1]) / 2 + tall * 0.02)
    start = (even(middle[0] - drift[0] / 2), max(0, even(middle[1] - drift[1] / 2)))
    if backwards:
        start, drift = (start[0] + drift[0], start[1]), (-drift[0], drift[1])
    larger = (even(card[0] * (1 + _INSIDE)), even(card[1] * (1 + _INSIDE)))
    return Board(
        ground=planes(ground(image, size)),
        card=planes(image.resize(larger, Image.Resampling.LANCZOS, reducing_gap=2.0)),
        size=card,
        start=start,
        drift=drift,
        shadow=_shadow(card, blur=even(min(size) * 0.014)),
    )


def _shadow(card: tuple[int, int], blur: int) -> tuple[Patch, ...]:
    # Four strips around the card: what lies beneath it is never seen.
    reach = 2 * blur
    whole = Image.new("RGBA", (card[0] + 4 * blur, card[1] + 4 * blur), (0, 0, 0, 255))
    whole.putalpha(framed(card, blur))
    wide, tall = card
    strips = {
        (-reach, -reach): (wide + 2 * reach, reach),
        (-reach, tall): (wide + 2 * reach, reach),
        (-reach, 0): (reach, tall),
        (wide, 0): (reach, tall),
    }
    return tuple(
        patch(
            whole.crop((left + 2 * blur, top + 2 * blur, left + 2 * blur + w, top + 2 * blur + h)),
            left,
            top,
        )
        for (left, top), (w, h) in strips.items()
    )


class Footage:
    """A video that plays, scaled to a size; its last picture stays when it ends."""

    def __init__(self, path: Path, size: tuple[int, int], *, seconds: float) -> None:
        self._frames = self._decoded(path, size)
        self._seconds = seconds
        self._at = -1.0
        self._shown = next(self._frames)[1]

    def draw(self, target: Planes, time: float) -> None:
        """Show the picture of this time; time never runs back."""
        for at, picture in self._frames:
            self._shown = picture
            if at >= time * self._seconds:
                break
        paste(target, self._shown, 0, 0)

    @staticmethod
    def _decoded(path: Path, size: tuple[int, int]) -> Iterator[tuple[float, Planes]]:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                scaled = frame.reformat(width=size[0], height=size[1], format="yuv420p")
                yield frame.time or 0.0, frame_planes(scaled)


@dataclass(frozen=True, slots=True)
class Inset:
    """A scene with another one in a corner of it."""

    main: Scene
    inset: Scene
    frame: Patch
    """The border around the inset."""
    place: tuple[int, int]
    size: tuple[int, int]

    def draw(self, target: Planes, time: float) -> None:
        """Draw both."""
        self.main.draw(target, time)
        self.frame.blend(target)
        self.inset.draw(window(target, self.place, self.size), time)


@dataclass(frozen=True, slots=True)
class Titled:
    """A scene with something that stands still before it."""

    main: Scene
    title: Patch

    def draw(self, target: Planes, time: float) -> None:
        """Draw the scene, then the title."""
        self.main.draw(target, time)
        self.title.blend(target)


class Sequence:
    """Scenes one after another, each fading into the next."""

    def __init__(self, scenes: list[Scene], size: tuple[int, int], *, fade: float) -> None:
        self._scenes = scenes
        self._fade = fade
        wide, tall = size
        self._next: Planes = (
            np.empty((tall, wide), np.uint8),
            np.empty((tall // 2, wide // 2), np.uint8),
            np.empty((tall // 2, wide // 2), np.uint8),
        )

    def draw(self, target: Planes, time: float) -> None:
        """Draw the scene of this time, and the one that comes or goes."""
        count = len(self._scenes)
        place = min(int(time * count), count - 1)
        self._part(place, target, time)
        centre = round(time * count)
        off = (time - centre / count) / self._fade if 0 < centre < count else 1.0
        if abs(off) >= 1 / 2:
            return
        other = centre if place == centre - 1 else centre - 1
        self._part(other, self._next, time)
        share = 1 / 2 + off if other == centre else 1 / 2 - off
        mix(target, target, self._next, share)

    def _part(self, place: int, target: Planes, time: float) -> None:
        # A scene is seen for half a fade longer on either side.
        count = len(self._scenes)
        begin, length = place / count - self._fade / 2, 1 / count + self._fade
        self._scenes[place].draw(target, min(1.0, max(0.0, (time - begin) / length)))
