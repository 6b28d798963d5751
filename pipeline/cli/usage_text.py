"""What a command line that cannot be read was meant to say.

The words of other tools for commands and options, and the parser's own words in plain ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

OTHER_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "check": "validate lint test",
        "plan": "estimate cost costs price preview dry-run dryrun",
        "run": "start render generate make build execute go create",
        "ls": "list items",
        "status": "info state progress watch",
        "report": "results summary export",
        "review": "gallery serve view",
        "stop": "cancel abort kill",
        "explain": "error errors",
        "providers": "models prices pricing price-list",
        "init": "new example quickstart",
        "reconcile": "retry recover repair fix",
        "runs": "history log logs",
    }
)
"""By command: what other tools call it."""
OTHER_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "`callsheet plan` tells what a run would make and cost": "--dry-run --dry -n --preview",
        "--rehearse makes everything in the sandbox: no key, no cost": (
            "--test --sandbox --rehearsal --mock --simulate --fake"
        ),
        "--format json, for the commands that have it": "--json --output-format",
        "--select WHAT takes a part: 'tag:hero', 'spin[*]'": (
            "--only --filter --shot --shots --include --id --tag --tags --rows"
        ),
        "--exclude WHAT leaves a part out": "--skip --without --ignore",
        "--first N takes the first N items; --max-cost USD is a limit of money": (
            "--limit --head --count --max-items"
        ),
        "--max-cost USD is the limit of one run": "--budget --max-budget --cost --max-price",
        "--root FOLDER is where clips, store and ledger live": (
            "--output --out --out-dir --output-dir -o --dest --dir"
        ),
        "said by provider: --set providers.runware.concurrency=4, or `callsheet concurrency`": (
            "--workers --parallel --jobs -j --threads --concurrency"
        ),
        "what failed is bought again by --retry CAUSE; what is there is never made again": (
            "--force -f --overwrite --again --retry-failed"
        ),
        "a run tells every step; -q is less": "--verbose -v --progress --log-level",
        "did you mean --profile NAME?": "-p --env --environment",
        "did you mean --set PATH=VALUE?": "--var --vars --param -s --override -D",
        "keys are read from the environment, or from the file of --env-file": (
            "--key --api-key --token --secret"
        ),
        "the model is a setting: --set overrides.model=kling-o1": "--model -m",
        "it is continued by itself: run it again": "--resume --continue",
    }
)
"""What to do instead, by the options of other tools."""

_PLAIN: tuple[tuple[str, str], ...] = (
    (r"Value error, ", ""),
    (r"Input should be greater than or equal to (\S+)", r"it must be at least \1"),
    (r"Input should be less than or equal to (\S+)", r"it must be at most \1"),
    (r"Input should be a valid integer.*", "it must be a whole number"),
    (r"Input should be a valid number.*", "it must be a number, such as 0.2"),
    (
        r"Got unexpected extra argument(?:s|\(s\))? \(([^)]*)\)",
        r"it takes no further argument: \1",
    ),
    (r"Missing argument 'M'\.?", "name the manifest, such as campaign.yaml"),
)
"""The parser's words, and ours."""


def plain_usage(message: str) -> str:
    """Return the parser's message in plain words, with what was probably meant."""
    for pattern, words in _PLAIN:
        message = re.sub(pattern, words, message)
    command = re.match(r"No such command '(.+?)'", message)
    # The command was left out, and the parser took the manifest for its name.
    if command and command[1].endswith((".yaml", ".yml")):
        return f"a manifest comes behind a command: callsheet run {command[1]}"
    if command and command[1] == "help":
        return "the help of all commands is `callsheet --help`"
    meant = _translate(OTHER_COMMANDS, command[1]) if command else ""
    if command and meant:
        return f"No such command '{command[1]}'. Did you mean '{meant}'?"
    option = re.match(r"No such option: (\S+)", message)
    advice = _translate(OTHER_OPTIONS, option[1]) if option else ""
    return f"No such option: {option[1]}: {advice}" if option and advice else message


def _translate(words: Mapping[str, str], word: str) -> str:
    return next((meant for meant, others in words.items() if word in others.split()), "")
