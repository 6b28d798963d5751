"""Speak JSON-RPC to a program, a line a message: to an MCP server, or to `node/sdk.mjs`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NODE = Path(__file__).with_name("node")
MODULES = NODE / "node_modules"
_STOP_S = 60


class JsonRpcError(Exception):
    """What the program answers instead of a result."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]


class NodeProgram:
    """A JavaScript program behind the shim, with these variables in its environment."""

    def __init__(self, script: Path, **environment: str) -> None:
        assert MODULES.is_dir(), "the official clients are not installed: .ci/setup tests"
        self._count = 0
        self._process = subprocess.Popen(
            ["node", "--import", str(NODE / "shim.mjs"), str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate(timeout=_STOP_S)

    def notify(self, method: str) -> None:
        """Send a message that has no answer."""
        self._send({"jsonrpc": "2.0", "method": method})

    def call(self, method: str, params: Any) -> Any:
        """Return a call's result; raise JsonRpcError where the program says so."""
        self._count += 1
        self._send({"jsonrpc": "2.0", "id": self._count, "method": method, "params": params})
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            if answer.get("id") != self._count:
                continue
            if "error" in answer:
                raise JsonRpcError(answer["error"])
            return answer.get("result")
        raise AssertionError("the program ended without an answer")

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
