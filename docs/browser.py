"""A headless Chromium that a script drives through a pipe (the DevTools protocol): open, look, press, measure."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", "--no-first-run")


class Browser:
    """One page of a headless Chromium. Raises FileNotFoundError where there is none (Debian: apt install chromium)."""

    def __init__(self) -> None:
        program = next((path for name in NAMES if (path := shutil.which(name))), None)
        if program is None:
            raise FileNotFoundError(f"no Chromium on this machine ({', '.join(NAMES)}); on Debian: apt install chromium")
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs, self._write = os.pipe()
        self._read, back = os.pipe()

        def as_it_expects() -> None:  # it reads what it is told from 3 and answers on 4
            copies = os.dup(theirs), os.dup(back)
            os.dup2(copies[0], 3)
            os.dup2(copies[1], 4)

        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            close_fds=False,
            preexec_fn=as_it_expects,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(back)
        self._buffer, self._count, self._session = b"", 0, ""
        self.errors: list[str] = []
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        os.close(self._write)
        os.close(self._read)
        self._profile.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one call of the protocol; errors of the page that come meanwhile are kept in `errors`."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                found: dict[str, Any] = answer["result"]
                return found

    def open(self, path: Path, *, width: int = 1400, height: int = 900, scale: float = 1, dark: bool = False) -> None:
        """Open a file in a window of that size, in light or dark; a narrow one is a phone."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600)
        self.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        )
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def run(self, script: str) -> Any:
        """What an expression gives in the page; a promise is awaited. Raises RuntimeError with the page's own error."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", "an error in the page"))
        return answer["result"].get("value")

    def traced(self, script: str, categories: tuple[str, ...] = ("blink", "cc")) -> list[dict[str, Any]]:
        """The events of Chromium's own trace while an expression runs in the page; `tdur` is microseconds of processor time."""
        session, self._session, self.events = self._session, "", []
        self.call("Tracing.start", transferMode="ReportEvents", traceConfig={"includedCategories": list(categories)})
        self._session = session
        self.run(script)
        self._session = ""
        self.call("Tracing.end")
        while self._next().get("method") != "Tracing.tracingComplete":
            pass
        self._session = session
        return self.events

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what is in sight, or the whole page, as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._read, 1 << 16)
            if not more:
                raise RuntimeError("Chromium has ended.")
            self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(text)
        if answer.get("method") == "Tracing.dataCollected":
            self.events += answer["params"]["value"]
        if answer.get("method") == "Runtime.exceptionThrown":
            details = answer["params"]["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        return answer
