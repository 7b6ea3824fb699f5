"""The log-likelihood of a Kalman filter: position and speed in the plane, positions observed; by the two variances."""

import numpy as np

from . import Problem

F = np.array([[1.0, 0.0, 0.1, 0.0], [0.0, 1.0, 0.0, 0.1], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
H = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])


def loss(variances, zs):
    x, P = np.zeros(4), np.eye(4)
    Q, R = np.eye(4) * variances[0], np.eye(2) * variances[1]
    total = 0.0
    for k in range(zs.shape[0]):
        x = F @ x
        P = F @ P @ F.T + Q
        y = zs[k] - H @ x
        S = H @ P @ H.T + R
        det = S[0, 0] * S[1, 1] - S[0, 1] * S[1, 0]
        inverse = np.array([[S[1, 1], -S[0, 1]], [-S[1, 0], S[0, 0]]]) / det
        K = P @ H.T @ inverse
        x = x + K @ y
        P = (np.eye(4) - K @ H) @ P
        total += -0.5 * (y @ inverse @ y + np.log(det))
    return total


def by_hand(variances, zs):
    """Two parameters: their tangents run beside the filter."""
    x, P = np.zeros(4), np.eye(4)
    dx, dP = np.zeros((2, 4)), np.zeros((2, 4, 4))
    value, slope = 0.0, np.zeros(2)
    for k in range(zs.shape[0]):
        x = F @ x
        P = F @ P @ F.T + np.eye(4) * variances[0]
        y = zs[k] - x[:2]
        S = P[:2, :2] + np.eye(2) * variances[1]
        inverse = np.linalg.inv(S)
        K = P[:, :2] @ inverse
        w = inverse @ y
        value += -0.5 * (y @ w + np.log(np.linalg.det(S)))
        for s in range(2):
            dx[s] = F @ dx[s]
            dP[s] = F @ dP[s] @ F.T + np.eye(4) * (s == 0)
            dS = dP[s][:2, :2] + np.eye(2) * (s == 1)
            slope[s] += -0.5 * (-2.0 * dx[s][:2] @ w - w @ dS @ w + np.sum(inverse * dS))
            dK = dP[s][:, :2] @ inverse - K @ dS @ inverse
            dx[s] = dx[s] + dK @ y - K @ dx[s][:2]
            dP[s] = dP[s] - dK @ P[:2] - K @ dP[s][:2]
        x = x + K @ y
        P = P - K @ P[:2]
    return value, slope


kalman = Problem(loss, by_hand)


@kalman.formulation("jax")
def _(jax, *arguments):
    jnp = jax.numpy

    def jax_loss(variances, zs):
        def one(state, z):
            x, P, total = state
            x = F @ x
            P = F @ P @ F.T + jnp.eye(4) * variances[0]
            y = z - H @ x
            S = H @ P @ H.T + jnp.eye(2) * variances[1]
            det = S[0, 0] * S[1, 1] - S[0, 1] * S[1, 0]
            inverse = jnp.array([[S[1, 1], -S[0, 1]], [-S[1, 0], S[0, 0]]]) / det
            K = P @ H.T @ inverse
            return (x + K @ y, (jnp.eye(4) - K @ H) @ P, total - 0.5 * (y @ inverse @ y + jnp.log(det))), None
        return jax.lax.scan(one, (jnp.zeros(4), jnp.eye(4), 0.0), zs)[0][2]
    return jax_loss


def observations(n: int) -> tuple:
    """Variances and observed positions."""
    return np.array([0.1, 0.5]), np.random.default_rng(n).normal(size=(n, 2))
