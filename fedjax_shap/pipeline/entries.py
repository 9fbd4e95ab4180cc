"""Registry entries that a configuration may name and that no other room lists."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fedjax_shap.devices.timed import timed
from fedjax_shap.engine.plan import Plan
from fedjax_shap.learning.local import OPTIMIZERS, local

Registry = dict[str, Callable[..., Any]]
LOCALS: Registry = {name: partial(local, optimizer=name) for name in OPTIMIZERS}
STEPS_OF_DEVICES: Registry = {"device": timed}
PLANS: Registry = {"plan": Plan}
