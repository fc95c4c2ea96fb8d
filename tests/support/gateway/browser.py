"""A headless Chromium, driven through its remote debugging."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS_MAX = 30.0
PAUSE_S = 0.05

_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    # Whatever is not this machine has no address, so that nothing could get there.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
    "--window-size=1280,1600",
)


def installed() -> str | None:
    """Where a browser is, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab, and what it has asked the network for."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.requested: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Network", "Page", "Runtime", "Log"):
            self.tell(f"{domain}.enable")

    def tell(self, method: str, **params: Any) -> Any:
        """The answer to a command of the protocol."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            said = json.loads(self._connection.recv(timeout=SECONDS_MAX))
            if said.get("id") == self._number:
                assert "error" not in said, said["error"]
                return said["result"]
            self._hear(said["method"], said["params"])

    def open(self, url: str) -> None:
        """Go to a page."""
        self.tell("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.tell(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:
        """The first value of an expression that is true. Fails after SECONDS_MAX."""
        return until(lambda: self.run(script), script)

    def click(self, selector: str) -> None:
        """Click on an element, once it is there."""
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector: str, text: str) -> None:
        """Put text into a field as if it had been typed."""
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        self.run(
            f"(field => {{ field.focus(); field.select(); }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        self.tell("Input.insertText", text=text)

    def screenshot(self, file: Path) -> None:
        """Write what the page looks like into a PNG."""
        picture = self.tell("Page.captureScreenshot", captureBeyondViewport=False)
        file.write_bytes(base64.b64decode(picture["data"]))

    def strangers(self) -> list[str]:
        """Requests to anywhere but this machine."""
        return [url for url in self.requested if not _is_near(url)]

    def _hear(self, method: str, params: Any) -> None:
        if method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requested.append(params["url"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))


def _is_near(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("about", "blob", "data") or parts.hostname == "127.0.0.1"


def until(found: Callable[[], Any], what: str) -> Any:
    """The first true value; asserts that there is one in time."""
    end = time.monotonic() + SECONDS_MAX
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(PAUSE_S)
    raise AssertionError(f"in vain: {what}")


@contextmanager
def browsing(program: str) -> Iterator[Browser]:
    """A browser with nothing of anybody's in it, which ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="points-browser-"))
    process = subprocess.Popen(
        [program, *_SWITCHES, f"--user-data-dir={folder}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = until(lambda: _port(folder, process), "the browser's port")
        with connect(_tab(port), max_size=None, proxy=None) as connection:
            yield Browser(connection)
            with suppress(Exception):
                connection.send(json.dumps({"id": 0, "method": "Browser.close"}))
                process.wait(SECONDS_MAX / 6)
    finally:
        process.terminate()
        try:
            process.wait(SECONDS_MAX / 3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _port(folder: Path, process: subprocess.Popen[bytes]) -> int:
    assert process.poll() is None, "the browser ended at once"
    file = folder / "DevToolsActivePort"
    said = file.read_text() if file.exists() else ""
    found = re.match(r"(\d+)\n/", said)
    return int(found[1]) if found else 0


def _tab(port: int) -> str:
    from http.client import HTTPConnection  # noqa: PLC0415

    def pages() -> list[str]:
        connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
        connection.request("GET", "/json")
        tabs = json.loads(connection.getresponse().read())
        connection.close()
        return [tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"]

    return str(until(pages, "a tab")[0])
