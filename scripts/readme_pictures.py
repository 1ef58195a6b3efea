#!/usr/bin/env python3
"""Makes the two pictures of the README: the report of `tamis demo`, opened in Chromium.

python scripts/readme_pictures.py    # needs tamis[report], selenium, Chromium and its driver
"""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import PIL.Image
from selenium import webdriver
from tamis import _demo

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH, QUALITY = 1280, 75
PICTURES = {  # what stands at the top of each, and how high it is
    "report-summary": ("header", 900),
    "report-errors": ("#errors", 1120),
}


def opened(path: str) -> Any:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver"), log_output=subprocess.DEVNULL)
    browser = webdriver.Chrome(options, service)
    size = {"width": WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(Path(path).as_uri())
    return browser


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = _demo.report(folder)
        assert path is not None, "pip install tamis[report]"
        browser = opened(path)
        for name, (top, height) in PICTURES.items():
            y = browser.execute_script(
                "return document.querySelector(arguments[0]).getBoundingClientRect().top + scrollY",
                top,
            )
            clip = {"x": 0, "y": y, "width": WIDTH, "height": height, "scale": 1}
            shot = browser.execute_cdp_cmd(
                "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
            )
            with PIL.Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as image:
                image.save(FOLDER / f"{name}.webp", quality=QUALITY, method=6)
            print(f"{name}.webp", (FOLDER / f"{name}.webp").stat().st_size)
        browser.quit()


if __name__ == "__main__":
    main()
