"""The columns of a party of a coordinated training: its parts of the residual, its sums, its steps.

All minimise one loss of the outputs s = sum of x_p' w_p over the parties, whose derivative d by s
is linear in s and so a sum of parts of the parties:

==========  =================================================  ================================
linear      (s - y)^2 / 2                                      d = s - y
logistic    log 2 - y s / 2 + s^2 / 8 (y = -1 or 1, Taylor)    d = s / 4 - y / 2
==========  =================================================  ================================

plus lambda / 2 |w|^2, each the mean over the rows of a batch. A party's gradient is
X_p'd / B + lambda w_p. The losses are linear in the mean of d^2, which is a sum over the parties of
d times their part: so they take one more column a party.

References:
    Yang, Liu, Chen, Tong, "Federated machine learning: concept and applications", ACM TIST 2019,
    section 2.4.2 (linear); Hardy et al., "Private federated learning on vertically partitioned data
    via entity resolution and additively homomorphic encryption", arXiv 1711.10677, 2017 (logistic).
"""

from typing import Any

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.protocols.coordinated_numbers import Numbers
from fedjax_shap.protocols.coordinated_session import ModelName, Session
from fedjax_shap.protocols.coordinated_steps import OPTIMIZERS, no_moments
from fedjax_shap.typing import HostArray

SLOPES: dict[ModelName, float] = {"linear": 1.0, "logistic": 0.25}  # of d by s
TARGETS: dict[ModelName, float] = {"linear": 1.0, "logistic": 0.5}  # what d takes off, times y


class Columns:
    """A party's columns and its weights: its parts of d, its sums, its steps."""

    def __init__(self, session: Session, x: HostArray, *, intercept: bool = False) -> None:
        """Columns with weights of zero.

        Args:
            session: what all parties know.
            x: float[N, F], in the common order of rows.
            intercept: whether a column of ones comes after them, whose weight has no penalty.
        """
        self._session = session
        self._x = np.asarray(x, float)
        self._penalty = np.full(self._x.shape[1], session.schedule.l2)
        if intercept:
            self._x = np.column_stack([self._x, np.ones(len(self._x))])
            self._penalty = np.append(self._penalty, 0.0)
        self._moments = no_moments(self._x.shape[1])
        self.weights = np.zeros(self._x.shape[1])

    @property
    def target(self) -> float:
        """What d takes off for a target of 1."""
        return TARGETS[self._session.model]

    @property
    def count(self) -> int:
        """F, the intercept included."""
        return len(self.weights)

    def part(self, step: int) -> HostArray:
        """float64[B], the slope of d times this party's outputs."""
        rows = self._x[self._session.batch(step)]
        outputs: HostArray = rows @ self.weights
        return SLOPES[self._session.model] * outputs

    def sums(self, numbers: Numbers, residual: Any, step: int, own: HostArray) -> Any:
        """X'd of the batch, and d times `own` after it where the session has a loss."""
        rows = self._x[self._session.batch(step)]
        if self._session.loss:
            rows = np.column_stack([rows, own])
        return numbers.sums(residual, rows)

    def learn(self, sums: HostArray, step: int) -> None:
        """A step along the gradient of these sums over the batch.

        Raises:
            InvalidInputError: weights are finite no longer; they are as before then.
        """
        session = self._session
        gradient = sums / len(session.batch(step)) + self._penalty * self.weights
        rule = OPTIMIZERS[session.schedule.optimizer]
        with np.errstate(all="ignore"):
            direction, moments = rule(gradient, self._moments)
            weights = self.weights - session.schedule.rate(session.epoch(step)) * direction
        require(
            bool(np.isfinite(weights).all()),
            f"Expected training to stay finite, but it diverged at step {step}: a smaller "
            f"learning_rate than {session.schedule.learning_rate:g} is asked for.",
        )
        self._moments = moments
        self.weights = weights


def mean_loss(model: ModelName, mean_square: float) -> float:
    """The mean loss over rows, without the penalty, from the mean of d^2."""
    if model == "linear":
        return mean_square / 2
    # d^2 = s^2 / 16 - y s / 4 + 1 / 4
    return float(np.log(2)) - 0.5 + 2 * mean_square
