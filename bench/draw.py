"""Draws the README's picture of lag against looks: `make rhythm-picture`."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from bench.policies import OURS
from bench.rhythm import ALL, SEED, TRACES_OF_A_CLASS, mean_lag, mean_looks, outcomes

# As wide as GitHub shows a README, at two dots a pixel.
INCHES: Final = (8.3, 4.2)
DOTS_PER_INCH: Final = 200
INK, PALE, ACCENT, OTHER = "#1f2328", "#8c959f", "#1a7f37", "#9a6700"
# Where a label stands, in points from its mark, where not to the right of it.
PLACES: Final[Mapping[str, tuple[float, float]]] = {"fixed 5 s": (-110, 17), OURS: (13, 0)}


def draw(path: Path) -> None:
    """Draw a mark for each policy: how late its verdict is, and for how many looks."""
    found = outcomes(SEED, TRACES_OF_A_CLASS)[ALL]
    marks = {policy: (mean_looks(fared), mean_lag(fared)) for policy, fared in found.items()}
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    for policy, (polls, lag) in marks.items():
        is_ours = policy == OURS
        color = ACCENT if is_ours else OTHER if policy.startswith("exponential") else PALE
        axes.scatter(polls, lag, s=150 if is_ours else 60, color=color, clip_on=False)
        axes.annotate(
            f"{policy}: {lag:.1f} s late, {polls:.0f} looks",
            (polls, lag),
            xytext=PLACES.get(policy, (9, 0)),
            textcoords="offset points",
            verticalalignment="center",
            color=ACCENT if is_ours else INK,
            fontsize=13 if is_ours else 11,
            fontweight="bold" if is_ours else "normal",
        )
    axes.set(xlim=(0, 100), ylim=(0, 18))
    axes.set_xlabel("looks at the jobs until the verdict, on average", fontsize=11, color=INK)
    axes.set_ylabel("seconds from the last job's end\nto the verdict, on average", fontsize=11, color=INK)
    axes.tick_params(labelsize=11, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    # Without the version of what drew it, so that the same numbers are the same picture.
    figure.savefig(path, metadata={"Software": None})


def main() -> None:
    """Draw the picture whose path is given."""
    parser = argparse.ArgumentParser(prog="python -m bench.draw", description=__doc__)
    parser.add_argument("path", type=Path, help="where to write the PNG file")
    draw(parser.parse_args().path)


if __name__ == "__main__":
    main()
