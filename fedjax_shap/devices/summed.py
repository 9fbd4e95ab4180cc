"""The workload of members that send sums: operations of a pass over rows, and bytes of messages."""

from typing import Any

import jax
import numpy as np

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.devices.workload import Messages, Workload, bytes_of, counted_flops
from fedjax_shap.learning.statistics.model import Merge, Rows, StatisticsModel, features
from fedjax_shap.learning.task import Task

_ROWS = 2, 3  # rows on which a pass is counted: it is linear in them


def summed(data: FederatedData, model: StatisticsModel, task: Task, merge: Merge) -> Workload:
    """What making sums asks of the devices of a federation; nothing is computed.

    A step is one pass over a member's rows, for the sums of one round. Operations are counted by
    XLA, before it optimises the program; an exponential or a logarithm counts as none.

    Args:
        data: the federation.
        model: what members sum.
        task: what is learned.
        merge: "sums", of which members upload a set a round; "average", for which they upload their
            own models once. Either way they download a model as often.
    """
    known = model.begin(data, task)
    num_features = features(data.x[:1]).shape[1]
    target = np.asarray(data.y[:1])

    def rows(count: int) -> Rows:
        x: Any = jax.ShapeDtypeStruct((count, num_features), float)
        y: Any = jax.ShapeDtypeStruct((count, *target.shape[1:]), target.dtype)
        weight: Any = jax.ShapeDtypeStruct((count,), float)
        return Rows(x, y, weight)

    with jax.enable_x64(True):
        fewer, more = (
            counted_flops(model.sums, known.more, known.start, rows(count)) for count in _ROWS
        )
        sums = jax.eval_shape(model.sums, known.more, known.start, rows(1))
    each = (more - fewer) / (_ROWS[1] - _ROWS[0])
    sizes = np.maximum(np.asarray(data.sizes), 1)
    flops = np.asarray(fewer + each * (sizes - _ROWS[0]), np.float64)
    download = bytes_of(known.start)
    upload = bytes_of(sums)
    if merge == "average":
        upload = download
    return Workload(flops, Messages(upload, download))
