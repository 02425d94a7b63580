"""Weights and running statistics that do not belong together: no image at all could give such numbers.

On a trained MobileFaceNet and on the synthetic network at a sixteenth of its width, of all images that were tried
(faces, noise, black, white, grey, checkerboards) none gives a divergence above 7.1 at a normalisation of maps of 14
pixels and more. Random weights with random statistics reach 1e38.
"""

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.running import FLAT, Running

IMPOSSIBLE = 20.0
SIDE = 14  # below, a map has too few pixels for a variance


def foreign_statistics(running: Running) -> list[Finding] | Skipped:
    """The first normalisation that gets what it cannot have got in training."""
    if running.traced is None:
        return FLAT
    seen = [it for it in running.forward.statistics if it.side >= SIDE]
    if not seen:
        return Skipped("no BatchNormalization on images is left in the graph, whose statistics would know")
    beyond = [it for it in seen if it.divergence > IMPOSSIBLE]
    if not beyond:
        return []
    first = beyond[0]
    evidence = Evidence(
        f"statistics at {first.node!r}, the first of {len(beyond)}",
        f"divergence {first.divergence:.3g} from training",
        f"below {IMPOSSIBLE:g} for any image",
    )
    return [Finding("problem", "weights and running statistics do not belong together", (evidence,))]


CHECKS = (
    Check(
        "foreign-statistics",
        "running",
        "Do weights and running statistics contradict each other?",
        "What reaches a normalisation is far from what it measured in training, whatever the image: a weight before it "
        "was changed or lost, or it has the statistics of another layer.",
        "Look at the node named and at the one before it; compare with the original by `refnet diff`.",
        foreign_statistics,
        ("https://github.com/deepinsight/insightface/issues/1417",),
    ),
)
