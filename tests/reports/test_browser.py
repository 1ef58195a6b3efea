"""The report in Chromium: nothing overflows or is loaded, tables sort, galleries filter."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("jinja2", reason="Jinja2 is not installed")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
pytest.importorskip("selenium.webdriver.support.wait")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
if not CHROMIUM or not DRIVER:
    pytest.skip("Chromium and its driver are not installed", allow_module_level=True)

NAMES = [f"a class of a rather long name, {i}" for i in range(80)]
WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                     "--disable-dev-shm-usage"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(DRIVER, log_output=subprocess.DEVNULL)
    driver = webdriver.Chrome(options, service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report with every section, 80 classes and long names."""
    root = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    files = [f"{'a-long-folder-name/' * 4}image-of-a-long-name-{i}.jpg" for i in range(40)]
    for i, name in enumerate(files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8))
        small.resize((320, 240)).save(root / name) if i else (root / name).write_bytes(b"")
    low = rng.uniform(0, 100, (400, 2))
    boxes = np.concatenate([low, rng.uniform(10, 120, (400, 2))], 1)
    labels = np.arange(400) % 80

    def made(boxes: Any, labels: Any, scores: Any = None) -> tamis.Annotations:
        return tamis.Annotations(
            boxes=boxes, labels=labels, splits=np.arange(0, 401, 10), image_ids=np.arange(40),
            classes=dict(enumerate(NAMES)), image_names=tuple(files), scores=scores,
        )  # fmt: skip

    found = np.where(rng.random(400) < 0.3, rng.integers(0, 80, 400), labels)
    results = [
        made(boxes + rng.normal(0, noise, boxes.shape).clip(-9, 9), found, rng.random(400))
        for noise in (4, 6)
    ]
    x = rng.normal(size=(40, 8)).astype(np.float32)
    x[20:24] = x[0]
    tamis.report(
        root / "report.html", made(boxes, labels), *results, images=root, samples=20,
        slices={"weather of the image": np.arange(40) % 3}, title=f"A report, {'long ' * 20}",
    )  # fmt: skip
    tamis.report(
        root / "rows.html", embeddings=x, names=files, splits=np.arange(40) % 2, images=root,
        labelled=[1, 2, 3], failures=[7], reference=x, batch=x + 1, threshold=0.01, count=10,
    )  # fmt: skip
    return str(root)


def opened(
    browser: Any, page: str, width: int, scheme: str = "light", name: str = "report"
) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(Path(page, f"{name}.html").as_uri())
    browser.execute_async_script(  # on a busy machine the driver may return before all is there
        "const [done] = arguments;"
        "document.readyState === 'complete' ? done() : addEventListener('load', () => done())"
    )


@pytest.mark.parametrize("name", ["report", "rows"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_loaded_and_nothing_complains(
    browser: Any, page: str, width: int, name: str
) -> None:
    opened(browser, page, width, name=name)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"].endswith("WillBeSent")]
    assert [url.partition(":")[0] for url in urls].count("file") == 1
    assert {url.partition(":")[0] for url in urls} <= {"file", "data"}


@pytest.mark.parametrize("name", ["report", "rows"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_or_overlaps(browser: Any, page: str, width: int, name: str) -> None:
    opened(browser, page, width, name=name)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    outside = browser.execute_script(
        """const out = [];
        for (const e of document.querySelectorAll("body *")) {
          if (e.closest(".scroll") && !e.matches(".scroll")) continue;  // it scrolls by itself
          const r = e.getBoundingClientRect();
          if (r.width && (r.left < -1 || r.right > arguments[0] + 1))
            out.push([e.tagName, e.className, r.left, r.right]);
        }
        return out.slice(0, 5);""",
        width,
    )
    assert outside == []
    overlapping = browser.execute_script(
        """const out = [], shown = e => e.getClientRects().length && e.offsetHeight !== 0;
        const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
          && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
        for (const box of document.querySelectorAll("section, .tiles, .figures, .numbers, .tile")) {
          const inside = [...box.children].filter(shown);
          for (let i = 1; i < inside.length; i++)
            if (meet(inside[i - 1].getBoundingClientRect(), inside[i].getBoundingClientRect()))
              out.push([box.className || box.id, inside[i].outerHTML.slice(0, 200)]);
        }
        return out.slice(0, 5);"""
    )
    assert overlapping == []


@pytest.mark.parametrize("name", ["report", "rows"])
def test_no_text_of_a_drawing_stands_on_another(browser: Any, page: str, name: str) -> None:
    opened(browser, page, 1280, name=name)
    drawings = browser.execute_script(
        """return [...document.querySelectorAll("figure")].map(f => {
          const s = f.querySelector("svg").getBoundingClientRect();
          return [f.innerText.slice(-60), [s.left, s.top, s.right, s.bottom],
            [...f.querySelectorAll("svg text")].map(t => {
              const r = t.getBoundingClientRect();
              return [t.textContent, r.left, r.top, r.right, r.bottom];
            })];
        });"""
    )
    assert len(drawings) > 5
    for what, frame, texts in drawings:
        for text, *r in texts:
            inside = r[0] >= frame[0] - 3 and r[2] <= frame[2] + 3 and r[3] <= frame[3] + 3
            assert inside, (what, text)
        for (one, *a), (two, *b) in itertools.combinations(texts, 2):
            across = min(a[2], b[2]) - max(a[0], b[0])
            down = min(a[3], b[3]) - max(a[1], b[1])
            # a line of text is a fifth taller than its letters
            assert across <= 1 or down <= 0.25 * min(a[3] - a[1], b[3] - b[1]) + 1, (what, one, two)


def test_tables_sort(browser: Any, page: str) -> None:
    opened(browser, page, 1280)
    table = browser.find_element("css selector", "#classes table")
    heads = table.find_elements("css selector", "th")
    at = [head.text.split()[0] for head in heads].index("AP")

    def values() -> list[float]:
        return browser.execute_script(
            "return [...arguments[0].tBodies[0].rows].map(r => +(r.cells[arguments[1]].dataset.v))",
            table, at,
        )  # fmt: skip

    before = values()
    for order in ("descending", "ascending"):
        browser.execute_script(
            "arguments[0].click()", heads[at].find_element("css selector", "button")
        )
        assert heads[at].get_attribute("aria-sort") == order
        assert values() == sorted(before, reverse=order == "descending")


def test_galleries_filter(browser: Any, page: str) -> None:
    opened(browser, page, 1280)
    gallery = browser.find_element("css selector", "#errors .gallery")
    buttons = gallery.find_elements("css selector", ".filter button")
    assert len(buttons) > 2

    def shown() -> list[str]:
        return browser.execute_script(
            "return [...arguments[0].querySelectorAll('.tile')].filter(t => t.offsetParent)"
            ".map(t => t.dataset.group)",
            gallery,
        )  # fmt: skip

    every = shown()
    for button in buttons[1:]:
        browser.execute_script("arguments[0].click()", button)
        group = button.get_attribute("data-group")
        assert shown() == [g for g in every if g == group] != []
        assert button.get_attribute("aria-pressed") == "true"
    browser.execute_script("arguments[0].click()", buttons[0])
    assert shown() == every


def test_a_lasso_lists_rows_with_their_pictures(browser: Any, page: str) -> None:
    pytest.importorskip("bokeh", reason="Bokeh is not installed")
    n, root = 40, Path(page)
    names = [f"image <b>{i}</b>.jpg" for i in range(n)]
    for i in range(1, n, 2):  # every other row has a picture
        Image.fromarray(np.full((8, 8, 3), 6 * i, np.uint8)).save(root / f"row{i}.jpg")
        names[i] = f"row{i}.jpg"
    xy = np.stack([np.arange(n) % 2 * 10.0, np.arange(n)], axis=1)  # two columns of points
    given = {"names": names, "images": root, "xy": xy, "threshold": 0.01, "count": 10}
    x = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    paths = [root / f"{name}.html" for name in ("map", "again", "plain")]
    for path in paths:
        tamis.report(path, embeddings=x, **given, interactive=path.stem != "plain")
    assert paths[0].read_bytes() == paths[1].read_bytes() != paths[2].read_bytes()

    for width in WIDTHS:
        test_nothing_is_loaded_and_nothing_complains(browser, page, width, "map")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    opened(browser, page, 1280, name="map")
    drawn = webdriver.support.wait.WebDriverWait(browser, 30).until(
        lambda b: b.find_elements("css selector", ".map .plot *")
    )[0]
    box = browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'});"
        "const r = arguments[0].getBoundingClientRect(); return [r.left, r.top, r.width, r.height]",
        drawn,
    )

    def mouse(kind: str, across: float, down: float) -> None:
        at = {"x": box[0] + across * box[2], "y": box[1] + down * box[3]}
        browser.execute_cdp_cmd(
            "Input.dispatchMouseEvent",
            {"type": f"mouse{kind}", **at, "button": "left", "buttons": 1, "clickCount": 1},
        )

    mouse("Moved", 0.5, 0.07)
    mouse("Pressed", 0.5, 0.07)
    for across, down in ((0.95, 0.07), (0.95, 0.98), (0.5, 0.98), (0.5, 0.09)):
        mouse("Moved", across, down)  # around the right column
    mouse("Released", 0.5, 0.09)
    webdriver.support.wait.WebDriverWait(browser, 30).until(
        lambda b: b.find_element("css selector", ".map .said").text != "no rows chosen"
    )
    assert browser.find_element("css selector", ".map .said").text == "20 rows"
    tiles = browser.find_elements("css selector", ".map .tile")
    assert [tile.text for tile in tiles] == [names[i] for i in range(1, n, 2)]
    assert all(tile.find_elements("css selector", "img") for tile in tiles)
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("name", ["report", "rows", "lasso"])
def test_axe_finds_nothing(browser: Any, page: str, name: str) -> None:
    axe = Path(os.environ.get("TAMIS_AXE", ""))
    if axe.name != "axe.min.js" or not axe.exists():
        pytest.skip("TAMIS_AXE names no axe.min.js of axe-core")
    if name == "lasso":
        pytest.importorskip("bokeh", reason="Bokeh is not installed")
        x = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
        tamis.report(Path(page, f"{name}.html"), embeddings=x, interactive=True, count=10)
    for scheme, width in (("light", 1280), ("dark", 400)):
        opened(browser, page, width, scheme, name=name)
        browser.execute_script(axe.read_text("utf-8"))
        found = browser.execute_async_script(
            """axe.run().then(r => arguments[0]([r.passes.length, r.violations.map(
              v => [v.id, v.impact, v.nodes.map(n => n.html.slice(0, 200))])]))"""
        )
        assert found[0] > 20 and found[1] == []


def luminance(color: str) -> float:
    parts = [float(v) / 255 for v in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_day_and_by_night(browser: Any, page: str, scheme: str) -> None:
    opened(browser, page, 1280, scheme)
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    paper = luminance(browser.execute_script(script, "body", "backgroundColor"))
    assert (paper > 0.8) == (scheme == "light")
    for what in ("p", ".sub", "nav a", "figcaption", "svg text"):
        prop = "fill" if what == "svg text" else "color"
        ink = luminance(browser.execute_script(script, what, prop))
        contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
        assert contrast >= 4.5, what
