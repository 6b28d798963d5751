"""The campaign that several tests of commands run: two cups, a clip of each."""

from __future__ import annotations

MANIFEST = """\
callsheet: 1
name: cups
tables: {cups: {file: cups.csv, key: sku, as: cup}}
defaults: {provider: runware, duration: 5, aspect_ratio: "9:16"}
shots:
  - {id: still, for: cups, prompt: "{{ cup.name }} stands on a table, no text."}
budget: {limit: 20 USD}
"""
TABLE = "sku,name\nA,Alba\nB,Brera\n"
