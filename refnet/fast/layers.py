"""What the fast engine runs: the nodes of a simplified graph, grouped as its kernels compute them.

`simplify` makes these from a Graph, `plan` turns them into steps. Weights stay the file's own arrays, and what is
folded into them is kept beside them as float64 gains: so no second copy of all weights ever exists, and each weight
is rounded once, when it is packed. A node that belongs to no group stays a `Node` and is run by its definition in
`refnet.ops`, in float32.
"""

from dataclasses import dataclass

from refnet.graph import Array, Node


@dataclass(frozen=True)
class FusedConv:
    """A convolution and what follows it.

    sum = x * (gain weight) + bias (+ residual);  y = slope * sum where sum < 0, else sum;  second = scale * y + shift.

    Attributes
    ----------
    name : str
        The convolution's node.
    x, y : str
        Tensors, by the names they have in the graph; y is the last that the group makes.
    weight : (OC, IC / groups, KH, KW)
        The file's own.
    gain : (OC,) float64
        Multiplies the filters of each output channel.
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
    weight: Array
    gain: Array
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
    """y = flatten(x) (gain weight input_gain)^T + bias, for x of shape (N, K) or (N, C, H, W), K = C*H*W.

    weight : (OC, K), the file's own or its transpose; gain : (OC,), input_gain : (K,), bias : (OC,) float64
    """

    name: str
    x: str
    y: str
    weight: Array
    gain: Array
    input_gain: Array
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
