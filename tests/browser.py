"""A real browser for the tests of pages: the system's Chromium without a window, and what it logged and asked for.

Nothing is downloaded: a test is skipped, and says so, where Chromium or its driver is not installed.
"""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

FLAGS = (
    "--headless",
    "--no-sandbox",  # tests often run as root, for whom Chromium's sandbox does not
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)


class Browser(webdriver.Chrome):
    """Chromium with the questions that tests of a page ask."""

    def resize(self, width: int, height: int, *, touch: bool = False) -> None:
        """Show the page as a screen of that many CSS pixels does; a touch screen has no hover."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Prefer "light" or "dark", as a user's system does."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def complaints(self) -> list[str]:
        """What stands in the console since the last time, warnings and errors."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.get_log("browser")]

    def requested(self) -> list[str]:
        """Every address asked for since the last time, the page's own among them."""
        events: list[dict[str, Any]] = [
            json.loads(entry["message"])["message"] for entry in self.get_log("performance")
        ]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def picture(self, path: Path) -> None:
        """Write the whole page as it looks, as PNG."""
        height = self.execute_script("return document.documentElement.scrollHeight")
        width = self.execute_script("return document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        options = {"captureBeyondViewport": True, "clip": clip}
        path.write_bytes(base64.b64decode(self.execute_cdp_cmd("Page.captureScreenshot", options)["data"]))


@contextmanager
def open_browser(folder: Path, *, width: int = 1280, height: int = 900) -> Iterator[Browser]:
    """A browser with an empty profile in the folder; skips the test where there is none."""
    program, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if program is None or driver is None:
        pytest.skip("needs Chromium: no chromium and chromedriver on the path (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Browser(options=options, service=webdriver.ChromeService(executable_path=driver))
    try:
        browser.resize(width, height)
        yield browser
    finally:
        browser.quit()
