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

Clips show their prompts. The sandbox's own font has the letters of Latin, Cyrillic, Greek and
Vietnamese; others are drawn where Debian's fonts are installed (`fonts-noto-cjk`,
`fonts-noto-core`, `fonts-noto-color-emoji`), and a clip names in its corner what it could not draw.
"""
_FAULTS = """\
## Faults

Each plays once, in the order of the list, at the first request that it fits. A line is a fault's
name, or a mapping:
"""
_CLIENTS = """
## Official clients

The line that `callsheet sandbox` prints has the addresses by the names of the clients' own
settings; any key is good. Each of these calls is made by a test with the real client
(`tests/conformance/test_official_clients.py`):

- `runware-sdk` (Python), with `ws_base_url`, or with `http_base_url` and `transport="rest"`: `run`
  of a video, also over a connection that was lost; `media_storage` to upload and to delete,
  `image_upload`, `get_response`, `get_task_details`, `account_management` (`getDetails`),
  `model_search`.
- `inferencesh` (Python, both halves), with `base_url`: `run` that waits, streams or does neither,
  `stream_task`, `wait_for_completion`, `get_task`, `cancel`, `upload_file`, `tasks.files`,
  `tasks.delete_files`, `tasks.delete`.
- `@inferencesh/sdk` (JavaScript), with `baseUrl`: `run` streamed, polled or neither; of `tasks`
  `create`, `get`, `list`, `stream`, `cancel`, `delete`, `getLogs`, `getTimings` and `getTelemetry`;
  `files`; of `apps` `list`, `get`, `getByName`, `getByVersionId` and `listVersions`.
- `@evolinkai/evolink-media` (MCP), which has no setting: lead `https://api.evolink.ai` to its
  `base_url` and `https://files-api.evolink.ai` to `upload_url`. `generate_video`, `check_task`,
  `upload_file` in each form, `list_files`, `delete_file`; `list_models` and `estimate_cost` ask
  nobody.

Not answered, because making a video needs none of it:

- Runware: task types other than those (pictures, sound, text, training, `model_upload`), `stream`
  of text, the usage operations of `account_management`, the filters of `model_search` by
  architecture and capability; its hosts of the catalogue (`content`) and of schemas (`validate`),
  whose addresses the client lets nobody set; serverless apps (`invoke`, `get_task`).
- inference.sh: agents, chats, knowledge, sessions, sockets (`live`), flows, engines, teams, keys,
  secrets and integrations; changing an app; featured tasks, and who may see a task; filters and
  searches of lists. A `session`, `setup`, `workers` or `run_at` of a run is refused.
- EvoLink: `generate_image` and `generate_music`.

No webhook is called, and nothing is fetched: an upload by address takes the sandbox's own alone.
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
    reference = [*_scenario(), "", _FAULTS, *_line(), "", *_faults(), *_chaos()]
    return "\n".join([_HEAD, *reference]) + _CLIENTS


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
