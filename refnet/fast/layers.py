"""What the fast engine runs: the nodes of a simplified graph, grouped as its kernels compute them.

`simplify` makes these from a Graph, `plan` turns them into steps. Weights are functions that compute them, in
float64 with all that was folded into them, when they are packed: so no second copy of all weights ever exists, and
each weight is rounded once. A node that belongs to no group stays a `Node` and is run by its definition in
`refnet.ops`, in float32.
"""

from collections.abc import Callable
from dataclasses import dataclass

from refnet.graph import Array, Node, Shape


@dataclass(frozen=True)
class FusedConv:
    """A convolution and what follows it.

    sum = x * weight + bias (+ residual);  y = slope * sum where sum < 0, else sum;  second = scale * y + shift.

    Attributes
    ----------
    name : str
        The convolution's node.
    x, y : str
        Tensors, by the names they have in the graph; y is the last that the group makes.
    weight : () -> (OC, IC / groups, KH, KW) float64
    weight_shape : (OC, IC / groups, KH, KW)
    bias, slope : (OC,) float64
        A slope of 1 is no activation, of 0 is Relu.
    residual : str
        A tensor of y's shape, added before the activation; empty where there is none.
    second : str
        A further output for the next layer; empty where there is none.
    scale, shift : (OC,) float64
    stride : (int, int)
    padding : (top, left, bottom, right)
    groups : int
        1, or OC = IC = groups (depthwise); anything else stays a Node.
    """

    name: str
    x: str
    y: str
    weight: Callable[[], Array]
    weight_shape: Shape
    bias: Array
    slope: Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    groups: int = 1
    residual: str = ""
    second: str = ""
    scale: Array | None = None
    shift: Array | None = None


@dataclass(frozen=True)
class FusedGemm:
    """y = flatten(x) weight^T + bias, for x of shape (N, K) or (N, C, H, W) with K = C*H*W in this order.

    weight : () -> (OC, K) float64; weight_shape : (OC, K); bias : (OC,) float64
    """

    name: str
    x: str
    y: str
    weight: Callable[[], Array]
    weight_shape: Shape
    bias: Array


@dataclass(frozen=True)
class ScaledInput:
    """y = (x - subtract) * multiply for a graph input of shape (N, C, H, W); both (C,) float64."""

    name: str
    x: str
    y: str
    subtract: Array
    multiply: Array


Layer = FusedConv | FusedGemm | ScaledInput | Node
