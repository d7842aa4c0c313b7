"""Draws lag against polls for every policy: `make interval-picture`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from bench.interval import ALL, OURS, SEED, TRACES_PER_CLASS, mean, outcomes

INK, PALE, ACCENT, OTHER = "#1f2328", "#8c959f", "#1a7f37", "#9a6700"
# Of labels that do not fit to the right of their marks, in points.
LABEL_OFFSETS: Final[Mapping[str, tuple[float, float]]] = {"fixed 5 s": (-110, 17), OURS: (13, 0)}


def draw(path: Path) -> None:
    """Draw a mark for each policy: how late its verdict is, and after how many polls."""
    # As wide as GitHub shows a page, at two dots per pixel.
    figure = Figure(figsize=(8.3, 4.2), dpi=200, layout="constrained")
    axes = figure.subplots()
    for policy, results in outcomes(SEED, TRACES_PER_CLASS)[ALL].items():
        lag, polls = mean(results)
        is_ours = policy == OURS
        color = ACCENT if is_ours else OTHER if policy.startswith("exponential") else PALE
        axes.scatter(polls, lag, s=150 if is_ours else 60, color=color, clip_on=False)
        axes.annotate(
            f"{policy}: {lag:.1f} s late, {polls:.0f} polls",
            (polls, lag),
            xytext=LABEL_OFFSETS.get(policy, (9, 0)),
            textcoords="offset points",
            verticalalignment="center",
            color=ACCENT if is_ours else INK,
            fontsize=13 if is_ours else 11,
            fontweight="bold" if is_ours else "normal",
        )
    axes.set(xlim=(0, 100), ylim=(0, 18))
    axes.set_xlabel("average number of polls before the verdict", fontsize=11, color=INK)
    axes.set_ylabel("average lag: seconds from the end\nof the last job to the verdict", fontsize=11, color=INK)
    axes.tick_params(labelsize=11, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    # Without the version of matplotlib, so that the same figures give the same file.
    figure.savefig(path, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
