"""docs/sandbox.md, made from schemas/scenario.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.sandbox.faults import CHAOS, FAULT_TYPES, Effect
from pipeline.schemas import schema

_HEAD = """\
# The sandbox

<!-- Made from schemas/scenario.schema.json. After a change there:
     pytest tests/unit/sandbox/test_sandbox_page.py --rewrite-cases -->

`callsheet sandbox` runs the providers on this machine: as strict and as odd as the real ones, with
clips that play, and with a bill of its own. It costs nothing and goes nowhere. Without a scenario
it is a quick provider on a good day; a scenario is a YAML or JSON file (`--scenario day.yaml`, for
`callsheet run --rehearse` too) that says otherwise:

```yaml
timing: {run_s: [1, 5]}
accounts: {key-of-a-poor-client: {balance_usd: 2.50}}
faults:
  - drop-after                                   # the first submit: taken, and its reply is lost
  - {fault: refused, prompt: dawn, times: always}
  - {fault: throttled, stage: status, retry_after: 5, after: 10}
```

A misspelt name is refused with what is known in its place.
"""
_FAULTS = """\
## Faults

Each plays once, in the order of the list, at the first request that it fits. A line is a fault's
name, or a mapping:
"""
_EFFECTS: Mapping[Effect, str] = {
    Effect.INSTEAD: "Instead of the reply: nothing is done",
    Effect.AFTER: "Instead of the reply: it has been done",
    Effect.WORD: "In the reply to a poll",
    Effect.FATE: "What becomes of a task",
    Effect.BYTES: "In a download",
}


def page() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *_scenario(), "", _FAULTS, *_line(), "", *_faults(), *_chaos()])


def _scenario() -> Iterator[str]:
    yield "## Scenario"
    yield ""
    yield "| key | what it says | unless said |"
    yield "| --- | --- | --- |"
    for name, rules in schema("scenario")["properties"].items():
        yield f"| `{name}` | {rules['description']} | {_default(rules)} |"


def _line() -> Iterator[str]:
    yield "| key | what it says | unless said |"
    yield "| --- | --- | --- |"
    for name, rules in schema("scenario")["$defs"]["faultLine"]["properties"].items():
        yield f"| `{name}` | {rules['description']} | {_default(rules)} |"
    yield "| options | As in the tables below; `null` leaves it to the sandbox. |  |"


def _faults() -> Iterator[str]:
    for effect, title in _EFFECTS.items():
        yield f"### {title}"
        yield ""
        yield "| fault | where (the first, unless said) | options | what happens |"
        yield "| --- | --- | --- | --- |"
        for name, kind in FAULT_TYPES.items():
            if kind.effect is effect:
                options = ", ".join(f"`{o}: {json.dumps(d)}`" for o, d in kind.options.items())
                yield f"| `{name}` | {', '.join(kind.stages)} | {options} | {kind.summary} |"
        yield ""


def _chaos() -> Iterator[str]:
    yield "## Chaos"
    yield ""
    yield "What chance draws from, if the scenario names nothing else:"
    yield ""
    for stage, names in CHAOS.items():
        yield f"- {stage}: {', '.join(f'`{name}`' for name in names)}"
    yield ""


def _default(rules: Mapping[str, Any]) -> str:
    return f"`{json.dumps(rules['default'])}`" if "default" in rules else ""
