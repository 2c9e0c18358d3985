"""
Takes the decaying hold off state scores.

A state score fades slowly after what was unusual: with l the logarithm of this row's own surprise and h the hold,
h = max(l, 0.97 h), s = (l + h) / 2 and score = 1 - 2^(-(exp(s) - 1) / 6) (docs/models/baseline.md). From the scores
alone l follows row by row: s >= 0.97 h says that l = h = s, else h = 0.97 h and l = 2 s - h. A score is kept as a float,
so surprise beyond about 150 cannot be told apart, and the rows after one beyond it come out a little too high.
"""
import math

KEEP = 0.97
HALF = 6.0
GREATEST = 1.0 - 2.0**-25


def without_hold(scores):
    """Texts of scores in row order in, texts of scores of the rows alone out."""
    hold = 0.0
    result = []
    for text in scores:
        score = min(float(text), GREATEST)
        blend = math.log(1.0 - HALF * math.log2(1.0 - score))
        hold *= KEEP
        own = blend if blend >= hold else max(2.0 * blend - hold, 0.0)
        hold = max(hold, own)
        result.append(repr(1.0 - 2.0 ** (-(math.exp(own) - 1.0) / HALF)))
    return result
