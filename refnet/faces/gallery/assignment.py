"""Several faces of one photograph: who is who, if nobody is there twice.

`nearest` takes each face by itself, and may name two faces alike. `assign_once` gives each identity to one face at most,
so that the similarities add up to the most; a face may stay unknown, which counts as the threshold. It is the
assignment problem, solved by scipy (the modified Jonker-Volgenant algorithm of Crouse, 2016,
doi:10.1109/TAES.2016.140952).

Open Model Zoo's face recognition demo assigns first and holds the result against the threshold afterwards: there a
face nobody knows may push a known one to a wrong identity. Here what lies below the threshold takes no part.
"""

from collections.abc import Sequence

import numpy as np

from refnet.errors import MissingExtraError
from refnet.faces.gallery.exact import Candidate, decide
from refnet.faces.thresholds import Threshold


def nearest(rankings: Sequence[Sequence[Candidate]], threshold: Threshold) -> list[Candidate | None]:
    """Each face's best candidate, or None for an unknown face."""
    return [decide(candidates, threshold) for candidates in rankings]


def assign_once(rankings: Sequence[Sequence[Candidate]], threshold: Threshold) -> list[Candidate | None]:
    """Name faces of one photograph, each identity at most once.

    Parameters
    ----------
    rankings : one list a face
        From `search`, with at least as many identities a face as there are faces: then the best assignment is among
        them.
    threshold : Threshold

    Returns
    -------
    One candidate a face, None where it stays unknown.

    Raises
    ------
    MissingExtraError
        If scipy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment  # a fifth of a second, and an extra
    except ImportError:
        raise MissingExtraError(
            'to give each identity to one face at most, scipy is needed: pip install "refnet[gallery]"'
        ) from None
    alike = [{c.label: c for c in ranking if c.similarity >= threshold.cosine} for ranking in rankings]
    labels = sorted({label for candidates in alike for label in candidates})
    # A column an identity, then a column a face in which only it may stay unknown; what is worse than that is never taken.
    worth = np.full((len(rankings), len(labels) + len(rankings)), threshold.cosine - 1)
    for face, candidates in enumerate(alike):
        for column, label in enumerate(labels):
            if label in candidates:
                worth[face, column] = candidates[label].similarity
        worth[face, len(labels) + face] = np.nextafter(threshold.cosine, -2)
    _, columns = linear_sum_assignment(worth, maximize=True)
    return [alike[face][labels[column]] if column < len(labels) else None for face, column in enumerate(columns)]
