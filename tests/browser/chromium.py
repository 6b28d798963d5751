"""A headless Chromium, spoken to over its debugging pipe: no driver, no open port."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

FOUND = shutil.which("chromium") or shutil.which("google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
    # Nothing but this machine is found, also where a page is served.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
_CODES = {
    " ": 32,
    "Enter": 13,
    "Tab": 9,
    "Escape": 27,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


class Page:
    """One page: what it says, what it complains about, how it looks."""

    def __init__(self, to_browser: BinaryIO, from_browser: BinaryIO) -> None:
        self._to, self._from = to_browser, from_browser
        self._count, self._session = 0, ""
        self.complaints: list[str] = []
        """Everything the console got: errors, failed loads, policy violations."""
        self.dialogs: list[str] = []
        """The kinds of dialogs that were shown; each was agreed to."""
        self._file: Path | None = None

    def attach(self) -> str:
        """Open a tab, with the network off, and return its id."""
        target: str = self._call("Target.createTarget", url="about:blank")["targetId"]
        found = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self._call(f"{domain}.enable")
        # Else the page's process keeps a copy of all that it loads, for whoever debugs it.
        self._call("Network.enable", maxTotalBufferSize=1, maxResourceBufferSize=1)
        return target

    @contextmanager
    def another_tab(self) -> Iterator[None]:
        """Have all that is asked meanwhile done in a further tab of the same browser.

        It is closed: one that is left hears of what later tests decide, and answers.
        """
        session = self._session
        self._session = ""
        target = self.attach()
        try:
            yield
        finally:
            self._session = ""
            self._call("Target.closeTarget", targetId=target)
            self._session = session

    def open(
        self, target: Path | str, *, width: int = 1280, height: int = 2400, dark: bool = False
    ) -> None:
        """Load a local file, or an address of this machine, and wait until all of it is there.

        Of a local file the network is off.
        """
        address = target.as_uri() if isinstance(target, Path) else target
        self._call(
            "Network.emulateNetworkConditions",
            offline=address.startswith("file:"),
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )
        # Of the same page with another place in it nothing would be loaded anew.
        self._call("Page.navigate", url="about:blank")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=address)
        self.value(
            "new Promise(done => document.readyState === 'complete' "
            "? done() : addEventListener('load', () => done()))"
        )

    def value(self, script: str) -> Any:
        """Return what a script evaluates to; promises are waited for."""
        options = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self._call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, condition: str, patience_s: int = 120) -> None:
        """Wait until a condition holds, looked at whenever the page is drawn."""
        self.value(
            "new Promise((done, fail) => { const end = performance.now()"
            f" + {patience_s * 1000};"
            f" const look = () => ({condition}) ? done() : performance.now() > end"
            f" ? fail(new Error({json.dumps(condition)})) : setTimeout(look, 20); look(); }})"
        )

    def press(self, *keys: str) -> None:
        """Press keys one after the other, as a person does: `a`, `ArrowDown`, `Enter`."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = _CODES.get(key, ord(key.upper()[0]))
            down = {"key": key, "windowsVirtualKeyCode": code, "text": text}
            self._call("Input.dispatchKeyEvent", type="keyDown", **down)
            self._call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def choose_file(self, selector: str, file: Path) -> None:
        """Choose a file in an input, as in its dialog."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def tab_to(self, selector: str) -> None:
        """Press Tab until what is named has the focus, as who has no pointer does."""
        for _ in range(100):
            self.press("Tab")
            if self.value(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        raise AssertionError(selector)

    def answer_file_dialog(self, file: Path) -> None:
        """Choose a file in the next dialog that asks for one."""
        self._file = file
        self._call("Page.setInterceptFileChooserDialog", enabled=True)

    def download_to(self, folder: Path) -> None:
        """Have what the page downloads arrive in a folder, without asking."""
        self._call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def before_scripts(self, script: str) -> None:
        """Run a script in each page that is opened from now on, before any of its own."""
        self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def cpu_ms(self) -> float:
        """Return the CPU time that the pages' processes have taken so far."""
        return 1000 * sum(float(each["cpuTime"]) for each in self._renderers())

    def memory_mb(self) -> dict[str, float]:
        """Return what the page's process holds: `rss`, its share `pss`, and the script's `heap`."""
        self._call("HeapProfiler.collectGarbage")
        # Of several, the one that has worked most: another is kept in reserve.
        page = max(self._renderers(), key=lambda each: each["cpuTime"])
        rollup = Path(f"/proc/{page['id']}/smaps_rollup").read_text("utf-8")
        lines = (line.split() for line in rollup.splitlines()[1:])
        kilobytes = {name: int(number) for name, number, *_ in lines}
        heap = self._call("Runtime.getHeapUsage")["usedSize"]
        read = {"rss": kilobytes["Rss:"] / 1024, "pss": kilobytes["Pss:"] / 1024}
        return {**read, "heap": heap / (1 << 20)}

    def _renderers(self) -> list[dict[str, Any]]:
        session, self._session = self._session, ""
        try:
            processes = self._call("SystemInfo.getProcessInfo")["processInfo"]
        finally:
            self._session = session
        return [each for each in processes if each["type"] == "renderer"]

    def until_file(self, file: Path) -> None:
        """Wait until a download is there, whole: it has another name until then."""
        for _ in range(400):
            if file.exists():
                return
            self.value("new Promise((done) => setTimeout(done, 50))")
        raise AssertionError(file)

    def screenshot(self, target: Path) -> None:
        """Save what is to be seen as PNG."""
        target.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: Any) -> Any:
        number = self._send(method, **parameters)
        while True:
            answer = json.loads(self._read())
            self._note(answer)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _send(self, method: str, **parameters: Any) -> int:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        return self._count

    def _read(self) -> bytes:
        read = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "the browser is gone"
            read += byte
        return bytes(read)

    def _note(self, message: dict[str, Any]) -> None:
        match message:
            case {"method": "Log.entryAdded", "params": {"entry": {"level": level, "text": text}}}:
                if level in {"error", "warning"}:
                    self.complaints.append(text)
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.complaints.append(json.dumps(details))
            case {"method": "Page.javascriptDialogOpening", "params": {"type": kind}}:
                self.dialogs.append(kind)
                self._send("Page.handleJavaScriptDialog", accept=True)
            case {"method": "Page.fileChooserOpened", "params": {"backendNodeId": node}}:
                self._send("DOM.setFileInputFiles", backendNodeId=node, files=[str(self._file)])
            case {"method": "Runtime.consoleAPICalled", "params": {"type": kind, "args": args}}:
                self.complaints.append(f"{kind}: {args}")
            case _:
                pass


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Start a browser with a profile of its own, and end it afterwards."""
    assert FOUND
    (its_in, our_out), (our_in, its_out) = os.pipe(), os.pipe()
    # Chromium reads its commands from descriptor 3 and answers on 4.
    script = f'exec "$@" 3<&{its_in} 4>&{its_out}'
    command = ["bash", "-c", script, "bash", FOUND, *_FLAGS, f"--user-data-dir={profile}"]
    with (
        subprocess.Popen(command, pass_fds=(its_in, its_out), stderr=subprocess.DEVNULL) as process,
        os.fdopen(our_out, "wb") as to_browser,
        os.fdopen(our_in, "rb", buffering=1 << 16) as from_browser,
    ):
        os.close(its_in)
        os.close(its_out)
        try:
            page = Page(to_browser, from_browser)
            page.attach()
            yield page
        finally:
            process.terminate()
