"""Chromium, driven by real clicks and keys through the DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
CODES = {"Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
CODES |= {"Tab": 9, "Backspace": 8, "Delete": 46}
MIDDLE = """e => {
  e.scrollIntoView({block: "center"});
  const {x, y, width, height} = e.getBoundingClientRect();
  return [x + width / 2, y + height / 2, width, height];
}"""
PATIENCE = 60.0  # seconds that something on a page may take on a busy machine


def program() -> str | None:
    """Return the browser of this machine, if any."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """One window of a browser with a profile of its own.

    Attributes:
        requests: addresses that the page asked for, other than its own parts.
        errors: exceptions and messages of errors in the page.
        downloads: the folder of downloaded files.
    """

    def __init__(self, profile: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.downloads = profile / "downloads"
        self.downloads.mkdir()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.number = 0
        command = [program() or "", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        command += ["--no-first-run", "--hide-scrollbars", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = profile / "DevToolsActivePort"
        self.until(lambda: port.exists() and port.read_text().count("\n") == 1, "the port of the browser")
        self.loop.run_until_complete(self._connect(*port.read_text().split("\n")))
        self.session = ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "DOM", "Log"):
            self.send(f"{domain}.enable")
        self.send("Performance.enable", timeDomain="threadTicks")
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    async def _connect(self, port: str, path: str) -> None:
        self.client = aiohttp.ClientSession()
        self.socket = await self.client.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result of a command of the protocol."""
        self.number += 1
        content = {"id": self.number, "method": method, "params": params}
        if self.session and not method.startswith(("Target.", "Browser.")):
            content["sessionId"] = self.session
        return self.loop.run_until_complete(asyncio.wait_for(self._answer(content), PATIENCE))

    async def _answer(self, content: dict[str, Any]) -> dict[str, Any]:
        await self.socket.send_str(json.dumps(content))
        while True:
            message = await self.socket.receive_json()
            if message.get("id") == content["id"]:
                assert "error" not in message, (content["method"], message)
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("data:", "blob:")):
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"].get("exception", {}).get("description")))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for something, and return it."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, f"waited in vain for {what}"
            time.sleep(0.02)
        return value

    # ---- pages

    def open(self, page: Path, size: tuple[int, int] = (1280, 900), dark: bool = False, phone: bool = False) -> Self:
        """Show a file in a window of a size, and wait for its script."""
        width, height = size
        scale = 2 if phone else 1
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.requests.clear()
        self.send("Page.navigate", url=page.resolve().as_uri())
        self.until(lambda: self.run("document.readyState === 'complete' && location.protocol === 'file:'"), "the page")
        return self

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def busy(self) -> float:
        """Return the processor seconds of the page's main thread so far, whatever else runs on the machine."""
        metrics = self.send("Performance.getMetrics")["metrics"]
        return next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)}).textContent"))

    def picture(self, path: Path) -> None:
        """Write what the window shows as PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    # ---- hands

    def middle(self, selector: str) -> tuple[float, float]:
        """Return the middle of an element, scrolled into sight."""
        x, y, *size = self.run(f"({MIDDLE})(document.querySelector({json.dumps(selector)}))")
        assert all(size), f"{selector} is not visible"
        return x, y

    def click(self, selector: str, *modifiers: str) -> None:
        self.click_at(*self.middle(selector), *modifiers)

    def click_at(self, x: float, y: float, *modifiers: str) -> None:
        self.drag([(x, y)], *modifiers)

    def drag(self, points: list[tuple[float, float]], *modifiers: str) -> None:
        """Press the mouse at the first of some points, move it along the others and let go."""
        held = {"modifiers": sum(MODIFIERS[name] for name in modifiers), "button": "left", "clickCount": 1}
        for i, (x, y) in enumerate(points):
            kind = "mouseMoved" if i else "mousePressed"
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, buttons=1, **held)
        x, y = points[-1]
        self.send("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, **held)

    def swipe(self, points: list[tuple[float, float]]) -> None:
        """Touch the first of some points, move along the others and let go."""
        for i, (x, y) in enumerate(points):
            kind = "touchMove" if i else "touchStart"
            self.send("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key: str, *modifiers: str) -> None:
        """Press a key, such as "a", "Enter" or "ArrowLeft"."""
        held = sum(MODIFIERS[name] for name in modifiers)
        code = CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = "\r" if key == "Enter" else key if len(key) == 1 and held in (0, MODIFIERS["Shift"]) else ""
        common = {"key": key, "modifiers": held, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text: str) -> None:
        for letter in text:
            self.press(letter)

    def choose_files(self, selector: str, files: list[Path]) -> None:
        """Choose files in a field."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def download(self, selector: str) -> bytes:
        """Click, and return the content of the file that is downloaded."""
        known = set(self.downloads.iterdir())
        self.click(selector)

        def complete() -> list[Path]:
            return [path for path in self.downloads.iterdir() if path not in known and path.suffix == ".csv"]

        (file,) = self.until(complete, "the download")
        return file.read_bytes()

    def close(self) -> None:
        self.send("Browser.close")
        self.loop.run_until_complete(self.client.close())
        self.loop.close()
        self.process.wait(PATIENCE)


@contextmanager
def browser() -> Iterator[Browser]:
    """A new browser, closed at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        one = Browser(Path(profile))
        try:
            yield one
        finally:
            one.close()
