"""Recurrences with buffers, written as loops: a tridiagonal solve, Runge–Kutta steps, explicit diffusion."""

import numpy as np

from . import Problem


def thomas_loss(a, b, c, d):
    """The squared norm of the solution of a tridiagonal system with these diagonals and this right side (Thomas's algorithm)."""
    n = len(d)
    cp, dp, x = np.zeros(n), np.zeros(n), np.zeros(n)
    cp[0] = c[0] / b[0]
    dp[0] = d[0] / b[0]
    for i in range(1, n):
        m = b[i] - a[i] * cp[i - 1]
        cp[i] = c[i] / m
        dp[i] = (d[i] - a[i] * dp[i - 1]) / m
    x[n - 1] = dp[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = dp[i] - cp[i] * x[i + 1]
    return np.sum(x * x)


def thomas_by_hand(a, b, c, d):
    """The adjoint system: the transposed matrix with the same factorisation."""
    n = len(d)
    m, cp, x, y = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    m[0] = b[0]
    cp[0] = c[0] / b[0]
    x[0] = d[0] / b[0]
    for i in range(1, n):
        m[i] = b[i] - a[i] * cp[i - 1]
        cp[i] = c[i] / m[i]
        x[i] = (d[i] - a[i] * x[i - 1]) / m[i]
    for i in range(n - 2, -1, -1):
        x[i] -= cp[i] * x[i + 1]
    y[0] = 2.0 * x[0]
    for i in range(1, n):
        y[i] = 2.0 * x[i] - cp[i - 1] * y[i - 1]
    y[n - 1] /= m[n - 1]
    for i in range(n - 2, -1, -1):
        y[i] = (y[i] - a[i + 1] * y[i + 1]) / m[i]
    by_a, by_c = np.zeros(n), np.zeros(n)
    value = x[0] * x[0]
    for i in range(1, n):
        value += x[i] * x[i]
        by_a[i] = -y[i] * x[i - 1]
        by_c[i - 1] = -y[i - 1] * x[i]
    return value, by_a, -y * x, by_c, y


thomas = Problem(thomas_loss, thomas_by_hand, parameters=4)


@thomas.formulation("njit")
def _(numba, *arguments):
    return numba.njit(thomas_by_hand)


@thomas.formulation("jax")
def _(jax, *arguments):
    def loss(a, b, c, d):
        def forward(before, row):
            cp, dp = before
            a, b, c, d = row
            m = b - a * cp
            return (c / m, (d - a * dp) / m), (c / m, (d - a * dp) / m)

        def backward(after, row):
            x = row[1] - row[0] * after
            return x, x
        _, rows = jax.lax.scan(forward, (0.0, 0.0), (a.at[0].set(0.0), b, c, d))
        x = jax.lax.scan(backward, 0.0, rows, reverse=True)[1]
        return jax.numpy.sum(x * x)
    return loss


def diagonals(n: int) -> tuple:
    """Three diagonals of a matrix that is well conditioned, and a right side."""
    rng = np.random.default_rng(n)
    return rng.normal(size=n), 4.0 + rng.uniform(size=n), rng.normal(size=n), rng.normal(size=n)


STEP = 0.01


def rate(a, b, c, d, x, y):
    """Of Lotka and Volterra's equations."""
    return a * x - b * x * y, d * x * y - c * y


def runge_kutta(steps: int) -> Problem:
    """Lotka–Volterra by classical Runge–Kutta steps; by the parameters and the start."""
    h = STEP

    def loss(p, start):
        a, b, c, d = p
        x, y = start
        for _ in range(steps):
            k1, l1 = rate(a, b, c, d, x, y)
            k2, l2 = rate(a, b, c, d, x + h / 2 * k1, y + h / 2 * l1)
            k3, l3 = rate(a, b, c, d, x + h / 2 * k2, y + h / 2 * l2)
            k4, l4 = rate(a, b, c, d, x + h * k3, y + h * l3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            y = y + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
        return x * x + y * y

    def by_hand(p, start):
        a, b, c, d = p[0], p[1], p[2], p[3]
        path = np.empty((steps + 1, 2))
        x, y = start[0], start[1]
        path[0, 0], path[0, 1] = x, y
        stage, weight = (0.0, h / 2, h / 2, h), (h / 6, h / 3, h / 3, h / 6)
        for t in range(steps):
            k, m, new_x, new_y = 0.0, 0.0, x, y
            for s in range(4):
                u, v = x + stage[s] * k, y + stage[s] * m
                k, m = a * u - b * u * v, d * u * v - c * v
                new_x += weight[s] * k
                new_y += weight[s] * m
            x, y = new_x, new_y
            path[t + 1, 0], path[t + 1, 1] = x, y
        by_p, by_x, by_y = np.zeros(4), 2.0 * x, 2.0 * y
        us, vs = np.empty(4), np.empty(4)
        for t in range(steps - 1, -1, -1):
            k, m = 0.0, 0.0
            for s in range(4):
                us[s], vs[s] = path[t, 0] + stage[s] * k, path[t, 1] + stage[s] * m
                k, m = a * us[s] - b * us[s] * vs[s], d * us[s] * vs[s] - c * vs[s]
            by_u, by_v, sum_u, sum_v = 0.0, 0.0, 0.0, 0.0
            after = 0.0
            for s in range(3, -1, -1):
                by_k, by_l = weight[s] * by_x + after * by_u, weight[s] * by_y + after * by_v
                u, v = us[s], vs[s]
                by_u = by_k * (a - b * v) + by_l * d * v
                by_v = -by_k * b * u + by_l * (d * u - c)
                by_p[0] += by_k * u
                by_p[1] -= by_k * u * v
                by_p[2] -= by_l * v
                by_p[3] += by_l * u * v
                sum_u += by_u
                sum_v += by_v
                after = stage[s]
            by_x += sum_u
            by_y += sum_v
        return x * x + y * y, by_p, np.array([by_x, by_y])
    problem = Problem(loss, by_hand, parameters=2)

    @problem.formulation("njit")
    def _(numba, *arguments):
        return numba.njit(by_hand)

    @problem.formulation("jax")
    def _(jax, *arguments):
        def jax_loss(p, start):
            a, b, c, d = p

            def one(state, _):
                x, y = state
                k1, l1 = rate(a, b, c, d, x, y)
                k2, l2 = rate(a, b, c, d, x + h / 2 * k1, y + h / 2 * l1)
                k3, l3 = rate(a, b, c, d, x + h / 2 * k2, y + h / 2 * l2)
                k4, l4 = rate(a, b, c, d, x + h * k3, y + h * l3)
                return (x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), y + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)), None
            x, y = jax.lax.scan(one, (start[0], start[1]), None, length=steps)[0]
            return x * x + y * y
        return jax_loss
    return problem


def populations() -> tuple:
    """Parameters and start."""
    return np.array([0.66, 1.33, 1.0, 1.0]), np.array([1.0, 1.2])


def diffusion(steps: int) -> Problem:
    """Explicit steps of the heat equation with fixed ends, element by element; by the start and the rate."""
    def loss(u0, rate):
        u, n = u0.copy(), len(u0)
        for _ in range(steps):
            new = np.zeros(n)
            new[0] = u[0]
            new[n - 1] = u[n - 1]
            for i in range(1, n - 1):
                new[i] = u[i] + rate[0] * (u[i - 1] - 2 * u[i] + u[i + 1])
            u = new
        return np.sum(u * u)

    def by_hand(u0, rate):
        n = len(u0)
        path = np.empty((steps + 1, n))
        path[0] = u0
        for t in range(steps):
            path[t + 1, 0] = path[t, 0]
            path[t + 1, n - 1] = path[t, n - 1]
            for i in range(1, n - 1):
                path[t + 1, i] = path[t, i] + rate[0] * (path[t, i - 1] - 2 * path[t, i] + path[t, i + 1])
        value, by_rate = np.sum(path[steps] * path[steps]), 0.0
        by_u, new = 2.0 * path[steps], np.empty(n)
        for t in range(steps - 1, -1, -1):
            for i in range(1, n - 1):
                by_rate += by_u[i] * (path[t, i - 1] - 2 * path[t, i] + path[t, i + 1])
            new[0] = by_u[0] + rate[0] * by_u[1]
            new[n - 1] = by_u[n - 1] + rate[0] * by_u[n - 2]
            new[1] = by_u[1] * (1 - 2 * rate[0]) + rate[0] * by_u[2]
            new[n - 2] = by_u[n - 2] * (1 - 2 * rate[0]) + rate[0] * by_u[n - 3]
            for i in range(2, n - 2):
                new[i] = by_u[i] * (1 - 2 * rate[0]) + rate[0] * (by_u[i - 1] + by_u[i + 1])
            by_u, new = new, by_u
        return value, by_u, np.array([by_rate])
    problem = Problem(loss, by_hand, parameters=2)

    @problem.formulation("njit")
    def _(numba, *arguments):
        return numba.njit(by_hand)

    @problem.formulation("jax")
    def _(jax, *arguments):
        def jax_loss(u0, rate):
            def one(u, _):
                return u.at[1:-1].add(rate[0] * (u[:-2] - 2 * u[1:-1] + u[2:])), None
            u = jax.lax.scan(one, u0, None, length=steps)[0]
            return jax.numpy.sum(u * u)
        return jax_loss
    return problem


def rod(n: int) -> tuple:
    """Temperatures and a rate."""
    return np.random.default_rng(n).uniform(size=n), np.array([0.2])
