"""What models of DNA tell: the coding regions of a record, the class of a sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from throughtime.applications.judging.classification import chances_html
from throughtime.applications.prediction import Prediction
from throughtime.pictures import COLOURS
from throughtime.runtime.dna.regions import CodingRegion

WIDTH, HEIGHT, BAR = 1000, 40, 14
"""Of a track, in units of its own."""

THINNEST = 1.0
"""Width of a region on a track, at least: it is seen however long the record is."""


@dataclass(frozen=True, repr=False, kw_only=True)
class RegionsPrediction(Prediction):
    """The coding regions of a record.

    Attributes:
        name: Of the record.
        bases: Its length.
        coding: Share of its bases that are in a region.
        regions: From left to right.
    """

    name: str
    bases: int
    coding: float
    regions: Sequence[CodingRegion]

    def _repr_html_(self) -> str:
        """A track of both strands above the text."""
        return f'<div style="max-width: 60em">{track(self.bases, self.regions)}{super()._repr_html_()}</div>'


@dataclass(frozen=True, repr=False, kw_only=True)
class SequencePrediction(Prediction):
    """The class of a sequence.

    Attributes:
        name: Of the sequence, or its line.
        label: The likeliest class.
        probabilities: Of every class, the likeliest first.
    """

    name: str
    label: str
    probabilities: dict[str, float]

    def _repr_html_(self) -> str:
        """The probabilities as bars below the text."""
        return f"<div>{super()._repr_html_()}{chances_html(self.probabilities)}</div>"


SIDES = "+ strand above, - strand below"


def track(bases: int, regions: Iterable[CodingRegion]) -> str:
    """Regions along a record as SVG: those of the plus strand above the line, those of the minus strand below it.

    Below it the places of its first and its last base.

    Example:
        >>> print(track(200, [CodingRegion(51, 100, "+", 0, 0.9)]).partition("<path")[2].partition("/>")[0])
         fill="#0072B2" d="M250 6h250v14h-250z"
    """
    ways = {"+": "", "-": ""}
    scale = WIDTH / max(1, bases)
    for region in regions:
        left, width = scale * (region.begin - 1), max(THINNEST, scale * (region.end - region.begin + 1))
        top = HEIGHT // 2 - BAR if region.strand == "+" else HEIGHT // 2
        ways[region.strand] += f"M{left:.6g} {top}h{width:.6g}v{BAR}h-{width:.6g}z"
    colours = {"+": COLOURS[2], "-": COLOURS[4]}
    bars = "".join(f'<path fill="{colours[strand]}" d="{way}"/>' for strand, way in ways.items() if way)
    ends = f'<div style="display: flex; justify-content: space-between"><span>1</span><span>{SIDES}</span>'
    line = f'<path stroke="currentColor" d="M0 {HEIGHT // 2}h{WIDTH}"/>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'style="display: block; width: 100%; height: 2.5em"><title>coding regions of {bases:,} bases: {SIDES}</title>'
        f"{bars}{line}</svg>{ends}<span>{bases:,}</span></div>"
    )
