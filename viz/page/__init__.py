"""The page: a run as one HTML file that works offline, with a polyhedron to turn, and a time line to drag or play."""

import base64
import hashlib
import html
import json
import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ...recorders.outputs import check_output, replaced_when_done
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import select
from .data import page_data

PAGE_SUFFIXES = (".html",)
_LIBRARIES = ("vendor/three-0.187.0.min.js", "vendor/uPlot-1.6.32.min.js")
_SCRIPTS = ("look.js", "space.js", "panels.js", "marks.js", "page.js")
_STYLES = ("vendor/uPlot-1.6.32.min.css", "page.css")


def write_page(
    recording: Recording,
    path: str | os.PathLike[str],
    *,
    parameter: str | None = None,
    instance: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a run as one HTML file that needs no network, and return its path.

    It shows the features as a polyhedron that turns with the mouse, their dimensionality and the loss over the steps
    with a cursor, jumps and regimes as marks to click, and the recording's settings. About a thousand rows of the run
    can be shown, more of them where more moves. The browser is told to load nothing and to run no script but the
    page's own, so that names from the recording are text and nothing else. parameter and instance choose as in
    plot_levels().

    Raises SettingError for another suffix than .html, and for a parameter or instance that is not there,
    OutputExistsError for an existing file, RecordingError where there is nothing to show.
    """
    path = check_output(path, PAGE_SUFFIXES, overwrite=overwrite)
    text = _page(page_data(select(recording, parameter, instance)))
    with replaced_when_done(path) as draft:
        # A file name that is no Unicode has no letters to show.
        draft.write_text(text, encoding="utf-8", errors="replace")
    return path


def _page(data: Mapping[str, Any]) -> str:
    """Return the page that shows what page_data() gave."""
    scripts = [*map(_asset, _LIBRARIES), "\n".join(map(_asset, _SCRIPTS))]
    return Template(_asset("page.html")).substitute(
        title=html.escape(data["title"]),
        hashes=" ".join(map(_hash, scripts)),
        style="\n".join(map(_asset, _STYLES)),
        scripts="".join(f"<script>{script}</script>\n" for script in scripts),
        data=_json(data),
    )


def _asset(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Return a script's name in a content security policy, which keeps every other script from running."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON that can stand in a script element, which only the sign < could end."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
