"""Logistic models of what is right: penalised maximum likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

RIDGE = 1.0  # of the standardised weights: keeps them finite where yes and no fall apart
FEWEST = 20  # of each kind, under which nothing is fitted
Floats = NDArray[np.float64]


class TooFew(ValueError):
    """Not enough examples to fit; the message says of what."""


def fit_logistic(values: Floats, yes: NDArray[np.bool_], shares: Floats | None = None) -> tuple[Floats, float]:
    """Weights (k,) and intercept of the chance 1 / (1 + exp(-(values @ weights + intercept))) of yes.

    values: (n, k). yes: (n,). shares: (n,) how much each counts; equally without.
    """
    shares = np.ones(len(values)) if shares is None else shares
    mean, spread = values.mean(0), np.maximum(values.std(0), 1e-6)
    inputs = np.column_stack([(values - mean) / spread, np.ones(len(values))])
    sign = np.where(yes, 1.0, -1.0)

    def cost(weights: Floats) -> tuple[float, Floats]:
        margin = sign * (inputs @ weights)
        pull = np.append(weights[:-1], 0.0)
        gradient = -(inputs.T @ (shares * sign / (1 + np.exp(margin)))) + RIDGE * pull
        return float(shares @ np.logaddexp(0, -margin) + RIDGE / 2 * pull @ pull), gradient

    found = minimize(cost, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / spread
    return weights, float(found[-1] - weights @ mean)
