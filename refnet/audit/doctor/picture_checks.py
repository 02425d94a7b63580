"""What the network is fed: layout, range, channel order, and whether it is what it was trained on."""

import numpy as np

from refnet.audit.doctor.finding import Check, Evidence, Finding, Severity, Skipped
from refnet.audit.doctor.running import FLAT, UNIT, Running, as_pixels
from refnet.faces.similarity import similarity
from refnet.graph import Array

# The right order fits 1.5 times as well or more in 99 of 100 photographs (see `statistics`); below, nothing is decided.
ORDER_RATIO = 1.5
FAMILIAR = 0.07  # between the worst aligned face (0.045 of 40) and the best unaligned photograph (0.084 of 6)
FAMILIAR_SIDE = 14
BLANK = 4.0  # standard deviation of pixels, 0..255; the least of 1,200 aligned photographs (LFW) has 32


def layout(running: Running) -> list[Finding] | Skipped:
    """The shape of an array that another program feeds."""
    if running.origin != "array":
        return Skipped("pictures are brought to the right layout as they are read")
    wanted = (
        "(N, " + ", ".join("any" if extent is None else str(extent) for extent in running.network.contract.shape) + ")"
    )
    given = running.given
    evidence = (Evidence("the array", f"shape {given.shape}, {given.dtype}", f"shape {wanted}, numbers"),)
    if running.fed is None:
        return [
            Finding(
                "problem",
                "the array has not the shape of the network's images",
                evidence,
                "Give aligned crops of the size the model takes.",
            )
        ]
    if given.ndim == 3:
        return [Finding("warning", "the array lacks the axis of the batch", evidence, "Add it: images[np.newaxis].")]
    if running.fed.shape != given.shape:
        return [Finding("problem", "channels come last in the array; the network takes them first", evidence)]
    return []


def value_range(running: Running) -> list[Finding] | Skipped:
    """Pixels scaled outside although the graph does it, or the other way round."""
    x = running.fed
    if x is None:
        return FLAT
    contract = running.network.contract
    finite = np.isfinite(x)
    if not finite.all():
        count = x.size - int(np.count_nonzero(finite))
        return [
            Finding(
                "problem",
                "the images hold NaN or infinity",
                (Evidence("the images", f"{count} of {x.size} values", "finite numbers"),),
            )
        ]
    if running.origin != "array":
        return []
    low, high = float(x.min()), float(x.max())
    seen = Evidence("values of the images", f"{low:.4g} to {high:.4g}", contract.values)
    if contract.inside:
        problem = _inside(low, high)
    elif high > 5:
        problem = "pixels are not scaled, and the graph does not do it"
    elif low >= 0 and high <= UNIT:
        problem = "pixels are scaled to 0..1; ArcFace exports without scaling in the graph take -1..1"
    else:
        problem = ""
    if not problem:
        return []
    severity: Severity = "warning" if high <= UNIT and not contract.inside else "problem"
    return [Finding(severity, problem, (seen, *_fits_better(running, x)))]


def _inside(low: float, high: float) -> str:
    """What is wrong with the range, where the graph scales."""
    if high <= UNIT:
        return "pixels are scaled outside, and again in the graph"
    if low < 0:
        return "a mean is subtracted outside, and again in the graph"
    return "values go beyond those of 8-bit pixels" if high > 255 else ""


def _fits_better(running: Running, x: Array) -> tuple[Evidence, ...]:
    """How the first normalisation sees the images as they are, and as they should be."""
    pixels = as_pixels(x, inside=running.network.contract.inside)
    now = running.first_statistics(x)
    if pixels is None or now is None or not running.trained:
        return ()
    then = running.first_statistics(running.network.contract.prepare(pixels).astype(np.float64))
    assert then is not None
    return (
        Evidence(
            f"statistics at {now.node!r}",
            f"divergence {now.divergence:.3g} from training",
            f"{then.divergence:.3g}, as after scaling to {running.network.contract.values}",
        ),
    )


def blank(running: Running) -> list[Finding] | Skipped:
    """Images with nothing on them."""
    if running.proper is None:
        return FLAT
    factor = 1.0 if running.network.contract.inside else 1 / running.network.contract.scale
    spreads = running.proper.std(axis=(1, 2, 3)) * factor
    flat = [i for i, spread in enumerate(spreads) if spread < BLANK]
    if not flat:
        return []
    evidence = tuple(
        Evidence(_name(running, i), f"standard deviation {spreads[i]:.2g} of 255", f"above {BLANK:g}") for i in flat
    )
    return [Finding("warning", f"{len(flat)} of {len(spreads)} images are blank", evidence)]


def channel_order(running: Running) -> list[Finding] | Skipped:
    """Red and blue the other way round, by the statistics of the first normalisation."""
    x = running.proper
    if x is None:
        return FLAT
    if x.shape[1] != 3:
        return Skipped(f"the images have {x.shape[1]} channels")
    if running.origin == "samples":
        return Skipped("the sample portraits are drawings; give photographs with --image")
    if not running.trained:
        return Skipped("synthetic weights know no colours")
    given = running.first_statistics(x)
    if given is None:
        return Skipped("no BatchNormalization on images is left in the graph, whose statistics would know")
    swapped = running.first_statistics(x[:, ::-1])
    assert swapped is not None
    ratio = given.divergence / swapped.divergence if swapped.divergence else float("inf")
    if ratio < 1 / ORDER_RATIO:
        return []
    found = f"divergence from training {given.divergence:.3g} as given, {swapped.divergence:.3g} swapped"
    evidence = (Evidence(f"statistics at {given.node!r}", found, "less as given"), *_in_both_orders(running, x))
    if ratio > ORDER_RATIO:
        return [
            Finding(
                "problem",
                f"red and blue are swapped for this model: the other order fits it {ratio:.2g} times as well",
                evidence,
            )
        ]
    grey = np.abs(x[:, 0] - x[:, 2]).max() == 0
    why = "the images are grey" if grey else "both orders fit the model about equally well"
    return [Finding("note", f"the channel order cannot be told: {why}", evidence, "Give more photographs, in colour.")]


def _in_both_orders(running: Running, x: Array) -> tuple[Evidence, ...]:
    """The similarity of the first two images in both orders, which is the same for many: why nobody notices."""
    if len(x) < 2 or running.network.fixed_batch is not None:
        return ()
    pair = x[:2]
    network = running.network
    same, other = network(pair.astype(np.float32)), network(pair[:, ::-1].astype(np.float32))
    if same.ndim != 2 or not np.isfinite([same, other]).all():
        return ()
    found = f"{similarity(*same):.3f} as given, {similarity(*other):.3f} swapped, {similarity(same[0], other[1]):.3f} one of each"
    return (Evidence("similarity of the first two images", found),)


def familiar(running: Running) -> list[Finding] | Skipped:
    """Images unlike those of training, by the statistics of all normalisations: unaligned, turned, no faces."""
    if running.traced is None:
        return FLAT
    if running.origin == "samples":
        return Skipped("the sample portraits are drawings; give photographs with --image")
    if not running.trained:
        return Skipped("synthetic weights know no faces")
    seen = [it.divergence for it in running.forward.statistics if it.side >= FAMILIAR_SIDE]
    if len(seen) < 5:
        return Skipped("too few BatchNormalizations on images are left in the graph, whose statistics would know")
    median = float(np.median(seen))
    if median <= FAMILIAR:
        return []
    evidence = Evidence(
        f"statistics of {len(seen)} normalisations",
        f"median divergence {median:.3g} from training",
        f"up to {FAMILIAR:g}",
    )
    return [
        Finding(
            "warning",
            "the images are unlike those the model was trained on: unaligned, turned, or no faces",
            (evidence,),
        )
    ]


def _name(running: Running, i: int) -> str:
    return f"image {running.names[i]!r}" if i < len(running.names) else f"image {i}"


CHECKS = (
    Check(
        "input-layout", "running", "Is the array laid out otherwise than the network's input?",
        "Channels last, or a missing batch axis: other runtimes reshape without a word.",
        "Transpose to channels-first: images.transpose(0, 3, 1, 2).",
        layout,
    ),
    Check(
        "input-range", "running", "Are pixels scaled twice, or not at all?",
        "The network sees a grey wall, and all embeddings grow alike.",
        "Feed the range the model takes (see the check `scaling`), and scale in one place only.",
        value_range,
        (
            "https://github.com/deepinsight/insightface/issues/113",
            "https://github.com/onnx/models/issues/551",
            "https://github.com/serengil/deepface/issues/131",
        ),
    ),
    Check(
        "blank-image", "running", "Is an image blank?",
        "An image with nothing on it has an embedding all the same, and it is like that of every other such image.",
        "Look at the crop; reject crops of too little contrast.",
        blank,
        ("https://github.com/deepinsight/insightface/issues/823",),
    ),
    Check(
        "channel-order", "running", "Are red and blue swapped?",
        "BGR for RGB costs accuracy and changes similarities a little: both images of a pair are wrong alike, so nobody notices.",
        "cv2.imread gives BGR: convert with cv2.COLOR_BGR2RGB. Files of Open Model Zoo's conversion take BGR.",
        channel_order,
        ("https://github.com/blakeblackshear/frigate/pull/23712",),
    ),
    Check(
        "unfamiliar-images", "running", "Are the images unlike those of training?",
        "A bounding box instead of an aligned crop, a face on its side, no face at all: embeddings of these are alike for everyone.",
        "Align by five landmarks to the ArcFace template; check with --landmarks.",
        familiar,
        (
            "https://github.com/onnx/models/issues/466",
            "https://github.com/deepinsight/insightface/issues/2117",
            "https://github.com/deepinsight/insightface/issues/518",
        ),
    ),
)  # fmt: skip
