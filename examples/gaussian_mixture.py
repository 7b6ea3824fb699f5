"""A mixture of three Gaussians fitted to the iris table by gradient, beside EM of scikit-learn.

    pip install ".[test]" && python examples/gaussian_mixture.py

The covariances are full. A precision is A.T @ A for a lower triangle A with the exponentials of parameters on its diagonal, so that
every vector of parameters is a mixture, and its log-likelihood needs no constraint.
Ends with an error when the log-likelihood is lower than that of scikit-learn's GaussianMixture from the same start.
"""

import sys

import numpy as np
from scipy.optimize import linear_sum_assignment, minimize
from scipy.special import logsumexp

from tracer import jit, value_and_grad

try:
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_iris
    from sklearn.mixture import GaussianMixture
except ModuleNotFoundError:
    sys.exit('This example takes its table from scikit-learn, which is not installed. It is in the extra "test": pip install ".[test]"')

COMPONENTS = 3
TOLERANCE = 1e-3  # of the log-likelihood of the table


def unpack(theta, d):
    """Log weights (K), means (K, d) and triangles (K, d, d) with logarithms on the diagonal; what is above the diagonal is not used."""
    K = COMPONENTS
    logits, means, triangles = theta[:K], theta[K:K + K * d], theta[K + K * d:]
    return logits - logsumexp(logits), means.reshape(K, d), triangles.reshape(K, d, d)


@jit
def joint(theta, X):
    """log p(x, component) for every row and component."""
    d = X.shape[1]
    log_weights, means, triangles = unpack(theta, d)
    log_diagonals = np.diagonal(triangles, axis1=1, axis2=2)
    A = np.tril(triangles, -1) + np.exp(log_diagonals)[:, :, None] * np.eye(d)
    scaled = np.einsum("kij,nkj->nki", A, X[:, None, :] - means)
    return log_weights + np.sum(log_diagonals, axis=1) - 0.5 * np.sum(scaled * scaled, axis=2) - 0.5 * d * np.log(2 * np.pi)


@value_and_grad
def cost(theta, X):
    """The mean negative log-likelihood."""
    return -np.mean(logsumexp(joint(theta, X), axis=1))


def start_from(X, labels):
    """The mixture of the groups that these labels make."""
    K, d = COMPONENTS, X.shape[1]
    groups = [X[labels == k] for k in range(K)]
    logits = np.log([len(group) / len(X) for group in groups])
    triangles = np.zeros((K, d, d))
    for triangle, group in zip(triangles, groups):
        triangle[:] = np.linalg.inv(np.linalg.cholesky(np.cov(group.T, bias=True)))
        triangle[np.diag_indices(d)] = np.log(np.diagonal(triangle))
    return np.concatenate([logits, np.ravel([group.mean(axis=0) for group in groups]), triangles.ravel()])


def main() -> int:
    table = load_iris()
    X = table.data
    labels = KMeans(COMPONENTS, n_init=10, random_state=0).fit_predict(X)

    start = start_from(X, labels)
    found = minimize(cost, start, args=(X,), jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": 2000})
    ours = -found.fun * len(X)
    means = np.array([X[labels == k].mean(axis=0) for k in range(COMPONENTS)])
    em = GaussianMixture(COMPONENTS, means_init=means, tol=1e-10, reg_covar=0.0, max_iter=5000, random_state=0).fit(X)
    theirs = em.score(X) * len(X)

    print(f"{len(X)} flowers, {X.shape[1]} features, {len(start)} parameters; {found.nit} iterations, {found.nfev} calls")
    print(f"log-likelihood at the start    {-cost(start, X)[0] * len(X):.6f}")
    print(f"log-likelihood by gradient     {ours:.6f}")
    print(f"log-likelihood by EM           {theirs:.6f}  (scikit-learn, {em.n_iter_} iterations)")
    print_clusters(np.argmax(joint(found.x, X), axis=1), table)
    if ours < theirs - TOLERANCE:
        print("The log-likelihood is lower than that of scikit-learn.")
        return 1
    return 0


def print_clusters(clusters, table) -> None:
    """How many flowers of each species are in each cluster."""
    counts = np.array([[np.sum((table.target == s) & (clusters == k)) for k in range(COMPONENTS)] for s in range(3)])
    species, matched = linear_sum_assignment(-counts)
    print("\n              " + "".join(f"  cluster {k}" for k in range(COMPONENTS)))
    for name, row in zip(table.target_names, counts[:, matched]):
        print(f"  {name:12}" + "".join(f"{n:11}" for n in row))
    print(f"\n{counts[species, matched].sum()} of {counts.sum()} flowers are in the cluster of their species.")


if __name__ == "__main__":
    sys.exit(main())
