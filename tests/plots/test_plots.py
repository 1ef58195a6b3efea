"""Pictures: they show the numbers, draw any name, do not write over themselves, and do not vary."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
import tamis

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
matplotlib.use("agg")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from tamis import plots  # noqa: E402
from tamis.plots.svg import RC, drawing  # noqa: E402

HOSTILE = ("<script>alert(1)</script>", "$x_{$", 'a "b" & c', "犬", 'id="x"', "a\nb")


def evaluated(k: int = 80, names: Any = None, seed: int = 0, n: int = 400) -> tamis.DetectionResult:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 100, (n, 2))
    boxes = np.concatenate([low, low + rng.uniform(10, 120, (n, 2))], 1)
    labels, splits = np.arange(n) % k, np.arange(0, n + 1, 10)
    found = np.where(rng.random(n) < 0.3, rng.integers(0, k, n), labels)
    evaluator = tamis.DetectionEvaluator(classes=names)
    evaluator.update(
        {"boxes": boxes + rng.normal(0, 6, (n, 4)), "scores": rng.random(n), "labels": found,
         "splits": splits},
        {"boxes": boxes, "labels": labels, "splits": splits},
    )  # fmt: skip
    return evaluator.compute()


def some_results() -> list[Any]:
    first, second = evaluated(), evaluated(seed=1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 8)).astype(np.float32)
    x[150:160] = x[:10] + 0.001
    boxes = np.concatenate([rng.uniform(0, 50, (40, 2)), rng.uniform(60, 99, (40, 2))], 1)
    old = {"boxes": boxes, "labels": np.zeros(40, int)}
    agreed = tamis.agreement(old, {**old, "boxes": boxes + rng.normal(0, 2, (40, 4))})
    compared = tamis.compare(first, second, samples=20, permutations=20)
    mask = np.arange(40) < 9
    sizes = np.array([100.0, 200, 400, 800, 1600])
    return [
        first, first.best_f1(), first.calibration(), first.confusion_matrix(), first.errors(),
        first.per_image(), tamis.failures(first), tamis.intervals(first, 20), compared,
        compared.against[0], tamis.slices(first, {"night": mask}, samples=20), agreed,
        agreed.tightness, tamis.near_duplicates(x, threshold=0.01),
        tamis.duplicate_threshold(x), tamis.leaks(x, np.arange(300) % 2, threshold=0.05),
        tamis.coverage(x, np.arange(20)), tamis.diversity(x),
        tamis.drift(x[:150], x[150:] + 1, permutations=20),
        tamis.learning_curve(sizes, 0.9 - 2 * sizes**-0.5),
        tamis.zcore_stability(x, count=20, redundancy_nn=10),
    ]  # fmt: skip


def test_every_result_with_a_picture_is_drawn_and_shown_in_notebooks() -> None:
    results = some_results()
    drawn = {type(result).__name__ for result in results}
    assert drawn == set(plots.dispatch.PICTURES) - {"LabelMistakes"}
    for result in results:
        ax = Figure().subplots()
        assert result.plot(ax) is ax
        assert ax.has_data(), type(result).__name__
        assert result._repr_html_().startswith("<pre")


def test_without_axes_a_figure_of_pyplot_is_made() -> None:
    import matplotlib.pyplot as plt

    ax = evaluated(3).plot()
    assert plt.fignum_exists(ax.figure.number)
    plt.close(ax.figure)


def test_what_cannot_be_drawn() -> None:
    boxes = np.array([[0.0, 0, 9, 9], [0, 0, 9, 9]])
    found = tamis.find_duplicate_boxes(boxes, np.array([0, 2]))
    with pytest.raises(TypeError, match=r"^plot: there is no picture of a DuplicateBoxes"):
        found.plot()
    assert found._repr_html_() is None
    with pytest.raises(TypeError, match=r"^plot: ax must be matplotlib Axes or None, got int"):
        evaluated(3).plot(3)
    with pytest.raises(ValueError, match=r"^plot: kind must be one of pr, confidence"):
        evaluated(3).plot(kind="roc")
    with pytest.raises(ValueError, match=r"^scatter: xy must have shape \(N, 2\), got \(3, 3\)"):
        plots.scatter(np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"^plot: classes must be labels of the evaluation, got 9"):
        plots.precision_recall(evaluated(3), classes=[9])


def test_without_matplotlib_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; import numpy as np, tamis\n"
        "try: tamis.diversity(np.eye(4)).plot()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "plot: matplotlib is missing: pip install tamis[plots]"


def test_importing_tamis_and_its_plots_imports_no_matplotlib() -> None:
    code = "import sys, tamis, tamis.plots; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def lines(ax: Any) -> dict[str, Any]:
    return {line.get_label(): np.asarray(line.get_ydata(), float) for line in ax.lines}


def test_curves_hold_the_numbers_of_the_evaluation() -> None:
    result = evaluated(5)
    drawn = lines(result.plot(Figure().subplots()))
    precision = result.precision[:, :, :, 0, -1]
    (half,) = (v for k, v in drawn.items() if k.startswith("IoU 0.5 "))
    np.testing.assert_allclose(half, precision[0].mean(1))
    assert f"{result.stats['AP']:.3f}" in next(k for k in drawn if k.startswith("mean of all"))
    one = lines(plots.precision_recall(result, Figure().subplots(), classes=[3]))
    np.testing.assert_allclose(next(iter(one.values())), precision[0, :, 3])


def test_confidence_curves_are_counts_above_each_threshold() -> None:
    result = evaluated(5)
    ax = plots.confidence_curves(result, Figure().subplots())
    drawn, at = lines(ax), np.asarray(ax.lines[0].get_xdata())
    for place in (0, 60, 150):
        table = result.per_image(0.5, confidence=float(at[place]))
        tp, fp, fn = (int(table[name].sum()) for name in ("tp", "fp", "fn"))
        assert drawn["precision"][place] == pytest.approx(tp / (tp + fp))
        assert drawn["recall"][place] == pytest.approx(tp / (tp + fn))
        assert drawn["F1"][place] == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_classes_beyond_the_most_confused_are_summed() -> None:
    found = evaluated(80).confusion_matrix()
    ax = found.plot(Figure().subplots(), most=10)
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert len(labels) == 12 and labels[-2:] == ["(70 others)", "(nothing)"]
    counts, _ = plots.evaluation._largest(found, [str(k) for k in found.classes], 10)
    assert counts.sum() == found.matrix.sum()
    for i, name in enumerate(labels[:10]):
        own = found.matrix[int(name)]
        assert counts[i].sum() == own.sum() and counts[i, -1] == own[-1]


def test_classes_are_called_by_their_names() -> None:
    result = evaluated(3)
    object.__setattr__(result, "class_names", ("cat", None, "cow"))
    for found in (result.confusion_matrix(), result.best_f1()):
        labels = [t.get_text() for t in found.plot(Figure().subplots()).get_yticklabels()]
        assert set(labels[:3]) == {"cat", "1", "cow"}
        labels = [
            t.get_text()
            for t in found.plot(Figure().subplots(), names={0: "dog"}).get_yticklabels()
        ]
        assert set(labels[:3]) == {"dog", "1", "cow"}


def boxes_of_text(draw: Any, width: float, height: float) -> list[tuple[str, Any]]:
    with matplotlib.rc_context(RC):
        figure = Figure((width, height), layout="constrained", dpi=100)
        draw(figure.subplots())
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        texts: Any = figure.findobj(
            lambda x: isinstance(x, matplotlib.text.Text) and x.get_visible()
        )
        return [
            (text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()
        ]


NAMES = [f"a class with quite a long name {i}" for i in range(80)]


@pytest.mark.parametrize(
    "kind, height", [("pr", 3.7), ("confidence", 3.7), ("scores", 3.7), ("sizes", 3.7),
                     ("classes", plots.style.row_height(40)), ("confusion", 6.4), ("errors", 3.7)],
)  # fmt: skip
def test_no_text_stands_on_other_text_with_80_classes(kind: str, height: float) -> None:
    result = evaluated(80, NAMES)

    def draw(ax: Any) -> None:
        if kind == "confusion":
            result.confusion_matrix().plot(ax, names=dict(enumerate(NAMES)))
        elif kind == "errors":
            result.errors().plot(ax)
        else:
            result.plot(ax, kind=kind)

    found = boxes_of_text(draw, 7.2 if kind == "confusion" else 5.6, height)
    assert len(found) > 5
    for (one, a), (two, b) in itertools.combinations(found, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 1 or down <= 1, (one, two)


def test_drawings_are_the_same_bytes_and_share_no_ids() -> None:
    result = evaluated(20)
    one, again, other = (
        drawing(lambda ax: result.plot(ax, kind="confidence"), name) for name in ("a", "a", "b")
    )
    assert one == again
    ids = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (one, other)]
    assert ids[0] and not ids[0] & ids[1]
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', one))
    assert used and used <= ids[0]
    assert "<metadata" not in one and "date" not in one.lower()


def test_names_are_drawn_as_they_are() -> None:
    result = evaluated(len(HOSTILE), HOSTILE)
    names = dict(enumerate(HOSTILE))
    for draw in (
        lambda ax: result.plot(ax, kind="classes"),
        lambda ax: result.confusion_matrix().plot(ax, names=names),
        lambda ax: plots.precision_recall(result, ax, classes=list(names)),
    ):
        tree = ET.fromstring(drawing(draw, "names"))
        shown = " ".join("".join(e.itertext()) for e in tree.iter() if e.tag.endswith("text"))
        for name in ("$x_{$", 'a "b" & c', "犬", 'id="x"', "a b"):
            assert name in shown
        assert not [e for e in tree.iter() if e.tag.endswith("script")]


def test_maps_are_coloured_by_rank() -> None:
    ax = plots.scatter(np.eye(4, 2), [0.0, 0.001, 5.0, 0.002], Figure().subplots(), what="zcore")
    np.testing.assert_allclose(ax.collections[0].get_array(), [0, 1 / 3, 1, 2 / 3])
    with pytest.raises(ValueError, match=r"^scatter: color must have shape \(4,\), got \(3,\)"):
        plots.scatter(np.eye(4, 2), [1, 2, 3], Figure().subplots())
