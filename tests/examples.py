"""How many examples a property is tried with: a few in every run, and many as a drill."""

from __future__ import annotations

import pytest


def examples(few: int, many: int) -> pytest.MarkDecorator:
    """Return the parameter `examples` of a test: `few`, and as a drill `many`."""
    drill = pytest.param(many, marks=pytest.mark.drill)
    return pytest.mark.parametrize("examples", [few, drill])
