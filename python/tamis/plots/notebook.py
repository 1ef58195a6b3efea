"""What notebooks show of a result."""

from __future__ import annotations

import html as escape
import importlib.util
from typing import Any

from tamis.plots.dispatch import has_picture, plot
from tamis.plots.svg import drawing


def html(result: Any) -> str | None:
    """The text of a result, and its picture; None, for the plain text, without matplotlib."""
    if not has_picture(result) or importlib.util.find_spec("matplotlib") is None:
        return None
    text = f'<pre style="line-height:1.25">{escape.escape(str(result))}</pre>'
    picture = drawing(lambda ax: plot(result, ax), type(result).__name__)
    return f'{text}<div style="max-width:40rem;background:#fff">{picture}</div>'
