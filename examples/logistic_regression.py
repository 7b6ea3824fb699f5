"""Logistic regression on the breast-cancer table of scikit-learn, by scipy.optimize and a compiled gradient.

    pip install ".[test]" && python examples/logistic_regression.py

Ends with an error unless the coefficients are those of sklearn.linear_model.LogisticRegression.
"""

import sys

import numpy as np
from scipy.optimize import minimize

from tracer import value_and_grad

try:
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
except ModuleNotFoundError:
    sys.exit('This example takes its table from scikit-learn, which is not installed. It is in the extra "test": pip install ".[test]"')

PENALTY = 1.0  # on half the sum of the squared weights, beside the sum of the losses: 1/C of scikit-learn
TOLERANCE = 1e-6  # of a coefficient


@value_and_grad
def objective(theta, X, y):
    """Mean logistic loss of weights and intercept (last); the penalty is on the weights alone."""
    weights, intercept = theta[:-1], theta[-1]
    z = X @ weights + intercept
    return np.mean(np.logaddexp(0.0, z) - y * z) + 0.5 * PENALTY / len(y) * np.sum(weights * weights)


def main() -> int:
    table = load_breast_cancer()
    X = (table.data - table.data.mean(axis=0)) / table.data.std(axis=0)
    y = table.target.astype(float)

    start = np.zeros(X.shape[1] + 1)
    found = minimize(objective, start, args=(X, y), jac=True, method="BFGS", options={"gtol": 1e-11, "maxiter": 1000})
    other = LogisticRegression(C=1.0 / PENALTY, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(X, y)
    reference = np.append(other.coef_[0], other.intercept_[0])

    print(f"{len(y)} rows, {X.shape[1]} features; {found.nit} iterations, {found.nfev} calls, objective {found.fun:.12f}")
    print(f"{objective.explain().compiles} kernel compiled\n")
    print("                              tracer      scikit-learn")
    for name, ours, theirs in zip([*table.feature_names, "intercept"], found.x, reference, strict=True):
        print(f"  {name:24} {ours: .9f}  {theirs: .9f}")
    difference = np.max(np.abs(found.x - reference))
    accuracy = np.mean((X @ found.x[:-1] + found.x[-1] > 0) == (y > 0.5))
    print(f"\nlargest difference of a coefficient: {difference:.1e}")
    print(f"accuracy on the table itself: {accuracy:.4f} (scikit-learn {other.score(X, y):.4f})")
    if difference > TOLERANCE:
        print(f"The coefficients differ by more than {TOLERANCE}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
