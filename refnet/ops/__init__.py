"""The operators, one a file, each with its definition, its output shape, its cost and its gradient."""

from collections.abc import Mapping
from types import MappingProxyType

from refnet.ops.add import ADD
from refnet.ops.average_pool import AVERAGE_POOL
from refnet.ops.batch_normalization import BATCH_NORMALIZATION
from refnet.ops.cast import CAST
from refnet.ops.clip import CLIP
from refnet.ops.concat import CONCAT
from refnet.ops.conv import CONV
from refnet.ops.div import DIV
from refnet.ops.dropout import DROPOUT
from refnet.ops.expand import EXPAND
from refnet.ops.flatten import FLATTEN
from refnet.ops.gather import GATHER
from refnet.ops.gemm import GEMM
from refnet.ops.global_average_pool import GLOBAL_AVERAGE_POOL
from refnet.ops.identity import IDENTITY
from refnet.ops.matmul import MATMUL
from refnet.ops.max_pool import MAX_POOL
from refnet.ops.mul import MUL
from refnet.ops.operator import ANY_NUMBER, REQUIRED, Known, Operator
from refnet.ops.pow import POW
from refnet.ops.prelu import PRELU
from refnet.ops.reduce_l2 import REDUCE_L2
from refnet.ops.reduce_mean import REDUCE_MEAN
from refnet.ops.relu import RELU
from refnet.ops.reshape import RESHAPE
from refnet.ops.resize import RESIZE
from refnet.ops.shape import SHAPE
from refnet.ops.sigmoid import SIGMOID
from refnet.ops.slice import SLICE
from refnet.ops.softmax import SOFTMAX
from refnet.ops.sqrt import SQRT
from refnet.ops.squeeze import SQUEEZE
from refnet.ops.sub import SUB
from refnet.ops.transpose import TRANSPOSE
from refnet.ops.unsqueeze import UNSQUEEZE

__all__ = ["ANY_NUMBER", "OPERATORS", "REQUIRED", "Known", "Operator"]

OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        operator.name: operator
        for operator in (
            ADD,
            AVERAGE_POOL,
            BATCH_NORMALIZATION,
            CAST,
            CLIP,
            CONCAT,
            CONV,
            DIV,
            DROPOUT,
            EXPAND,
            FLATTEN,
            GATHER,
            GEMM,
            GLOBAL_AVERAGE_POOL,
            IDENTITY,
            MATMUL,
            MAX_POOL,
            MUL,
            POW,
            PRELU,
            REDUCE_L2,
            REDUCE_MEAN,
            RELU,
            RESHAPE,
            RESIZE,
            SHAPE,
            SIGMOID,
            SLICE,
            SOFTMAX,
            SQRT,
            SQUEEZE,
            SUB,
            TRANSPOSE,
            UNSQUEEZE,
        )
    }
)
