"""EENet's exit assignment: which share of a sample belongs to which exit, under an average budget.

A small network at each early exit, `s_k = σ(v · σ(W x_k + b) + c)`, looks at the probabilities, the confidences and the
past scores. Shares are broken off one after the other (stick-breaking), the final exit takes the rest:

    r_nk = s_nk · Π_{j<k} (1 − s_nj)

    L = α_ce · mean_nk(t_nk · log(t_nk / r_nk)) + α_cost · |C(mean_n r_n) − B| / B,   t_nk = c_nk / Σ_j c_nj

with c the clamped scores, C the expected cost of a batch and B the budget. Source: Ilhan et al., EENet, WACV 2024; the
softmax of the released code cannot reach uneven shares. Gradients are written out.
"""

from dataclasses import dataclass

import numpy as np

from eecalib.tuning.share_cost import F64, ShareCost

__all__ = ["AssignmentProblem", "assign", "assignment_loss", "fit_assignment", "initial_nets"]

CE_WEIGHT, COST_WEIGHT = 1e-3, 1e-2
"""α_ce and α_cost, as published."""

HIDDEN_SHARE = 0.5
"""Hidden units for each input, as published for image networks."""

LEAST = 1e-6
"""Scores and shares are raised to this inside logarithms; |x| is smoothed to √(x² + LEAST²)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AssignmentProblem:
    """What the networks are fitted to.

    Attributes:
        inputs: for each early exit `[samples, features]`.
        scores: `[exits, samples]`, clamped to [0, 1].
        cost: of a batch.
        budget_ms: what a batch may cost on average.
    """

    inputs: tuple[F64, ...]
    scores: F64
    cost: ShareCost
    budget_ms: float

    @property
    def hidden(self) -> tuple[int, ...]:
        """Hidden units of each early exit's network."""
        return tuple(max(1, int(HIDDEN_SHARE * x.shape[1])) for x in self.inputs)


def initial_nets(problem: AssignmentProblem, seed: int) -> F64:
    """Return the parameters of all networks, flat: small random weights, and equal shares for all exits."""
    random, parts = np.random.default_rng(seed), []
    early = len(problem.inputs)
    for exit_, (x, hidden) in enumerate(zip(problem.inputs, problem.hidden, strict=True)):
        into = random.normal(0, 1 / np.sqrt(x.shape[1]), (x.shape[1] + 1) * hidden)
        out = random.normal(0, 0.1 / np.sqrt(hidden), hidden)
        parts += [into, out, [-np.log(early - exit_) - out.sum() / 2]]
    return np.concatenate([*parts, []])


def assign(nets: F64, problem: AssignmentProblem) -> F64:
    """Return the shares of all samples, `[exits, samples] float64`."""
    shares: F64 = _forward(nets, problem)[0]
    return shares


def assignment_loss(nets: F64, problem: AssignmentProblem) -> tuple[float, F64]:
    """Return the loss and its gradient, flat as the parameters are."""
    shares, gates, hidden = _forward(nets, problem)
    samples = shares.shape[1]
    target = np.maximum(problem.scores, LEAST)
    target = target / target.sum(axis=0)
    mean = shares.mean(axis=1)
    over = float(problem.cost.ms(mean)) / problem.budget_ms - 1
    smooth = float(np.hypot(over, LEAST))
    seen = np.maximum(shares, LEAST)
    loss = CE_WEIGHT * float((target * np.log(target / seen)).mean()) + COST_WEIGHT * smooth
    by_share = -CE_WEIGHT * np.where(shares > LEAST, target / seen, 0) / target.size
    by_share += (COST_WEIGHT * over / smooth / problem.budget_ms / samples) * problem.cost.gradient(mean)[:, None]
    return loss, _backward(nets, problem, by_share, (shares, gates, hidden))


def fit_assignment(nets: F64, problem: AssignmentProblem, *, iterations: int) -> F64:
    """Return better parameters (L-BFGS from the given ones; the same for the same arguments)."""
    from scipy.optimize import minimize

    found = minimize(
        assignment_loss, nets, args=(problem,), jac=True, method="L-BFGS-B", options={"maxiter": iterations}
    )
    better: F64 = np.asarray(found.x, np.float64)
    return better


def _parts(nets: F64, problem: AssignmentProblem) -> list[tuple[F64, F64, F64, slice]]:
    """Return for each early exit views of W `[hidden, features]`, b and v `[hidden]`, and where its parameters are."""
    parts, start = [], 0
    for x, hidden in zip(problem.inputs, problem.hidden, strict=True):
        features = x.shape[1]
        end = start + hidden * (features + 2) + 1
        own = nets[start:end]
        matrix = own[: hidden * features].reshape(hidden, features)
        bias, out = own[hidden * features : -1].reshape(2, hidden)
        parts.append((matrix, bias, out, slice(start, end)))
        start = end
    return parts


def _forward(nets: F64, problem: AssignmentProblem) -> tuple[F64, F64, list[F64]]:
    """Return shares `[exits, samples]`, gates s `[early exits, samples]`, and hidden units of each early exit."""
    samples = problem.scores.shape[1]
    shares, gates, hidden = [], [], []
    rest = np.ones(samples)
    for x, (matrix, bias, out, own) in zip(problem.inputs, _parts(nets, problem), strict=True):
        units = _sigmoid(x @ matrix.T + bias)
        gate = _sigmoid(units @ out + nets[own][-1])
        shares.append(gate * rest)
        rest = rest * (1 - gate)
        gates.append(gate)
        hidden.append(units)
    return np.array([*shares, rest]), np.array(gates).reshape(-1, samples), hidden


def _backward(nets: F64, problem: AssignmentProblem, by_share: F64, forward: tuple[F64, F64, list[F64]]) -> F64:
    """Return the gradient of the parameters, given that of the shares.

    With `g_k = ∂L/∂r_k`: `∂L/∂s_k = Π_{j<k} (1 − s_j) · (g_k − later_k)`, where `later_k` is what breaking all of the
    rest off after k is worth, `later_{k-1} = s_k g_k + (1 − s_k) later_k`.
    """
    _, gates, hidden = forward
    gradient = np.zeros_like(nets)
    later = by_share[-1]
    before = np.concatenate([np.ones((1, gates.shape[1])), np.cumprod(1 - gates, axis=0)])
    parts = _parts(nets, problem)
    for exit_ in reversed(range(len(parts))):
        _, _, out, own = parts[exit_]
        gate, units = gates[exit_], hidden[exit_]
        by_logit = before[exit_] * (by_share[exit_] - later) * gate * (1 - gate)
        later = gate * by_share[exit_] + (1 - gate) * later
        by_unit = by_logit[:, None] * out * units * (1 - units)
        gradient[own] = np.concatenate(
            [(by_unit.T @ problem.inputs[exit_]).ravel(), by_unit.sum(axis=0), by_logit @ units, [by_logit.sum()]]
        )
    return gradient


def _sigmoid(x: F64) -> F64:
    """Return the logistic function; it does not overflow."""
    value: F64 = (np.tanh(x / 2) + 1) / 2
    return value
