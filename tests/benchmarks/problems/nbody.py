"""Bodies that attract one another, moved by semi-implicit Euler steps, pair by pair (as in the Computer Language Benchmarks Game)."""

import numpy as np

from . import Problem

STEP, SOFTENING = 1e-3, 0.01


def bodies(steps: int) -> Problem:
    """The squared distances from the origin after some steps; by positions, velocities and masses."""
    def loss(position, velocity, mass):
        pos, vel = position.copy(), velocity.copy()
        n = len(mass)
        for _ in range(steps):
            for i in range(n):
                for j in range(i + 1, n):
                    dx = pos[i, 0] - pos[j, 0]
                    dy = pos[i, 1] - pos[j, 1]
                    dz = pos[i, 2] - pos[j, 2]
                    mag = STEP * (dx * dx + dy * dy + dz * dz + SOFTENING) ** -1.5
                    vel[i, 0] -= dx * mass[j] * mag
                    vel[i, 1] -= dy * mass[j] * mag
                    vel[i, 2] -= dz * mass[j] * mag
                    vel[j, 0] += dx * mass[i] * mag
                    vel[j, 1] += dy * mass[i] * mag
                    vel[j, 2] += dz * mass[i] * mag
            for i in range(n):
                for k in range(3):
                    pos[i, k] += STEP * vel[i, k]
        return np.sum(pos * pos)

    def by_hand(position, velocity, mass):
        n = len(mass)
        path, vel = np.empty((steps + 1, n, 3)), velocity.copy()
        path[0] = position
        for t in range(steps):
            pos = path[t]
            for i in range(n):
                for j in range(i + 1, n):
                    dx, dy, dz = pos[i, 0] - pos[j, 0], pos[i, 1] - pos[j, 1], pos[i, 2] - pos[j, 2]
                    square = dx * dx + dy * dy + dz * dz + SOFTENING
                    mag = STEP / (square * np.sqrt(square))
                    vel[i, 0] -= dx * mass[j] * mag
                    vel[i, 1] -= dy * mass[j] * mag
                    vel[i, 2] -= dz * mass[j] * mag
                    vel[j, 0] += dx * mass[i] * mag
                    vel[j, 1] += dy * mass[i] * mag
                    vel[j, 2] += dz * mass[i] * mag
            for i in range(n):
                for k in range(3):
                    path[t + 1, i, k] = pos[i, k] + STEP * vel[i, k]
        value = np.sum(path[steps] * path[steps])
        by_pos, by_vel, by_mass = 2.0 * path[steps], np.zeros((n, 3)), np.zeros(n)
        for t in range(steps - 1, -1, -1):
            pos = path[t]
            for i in range(n):
                for k in range(3):
                    by_vel[i, k] += STEP * by_pos[i, k]
            for i in range(n):
                for j in range(i + 1, n):
                    dx, dy, dz = pos[i, 0] - pos[j, 0], pos[i, 1] - pos[j, 1], pos[i, 2] - pos[j, 2]
                    square = dx * dx + dy * dy + dz * dz + SOFTENING
                    mag = STEP / (square * np.sqrt(square))
                    ux = mass[i] * by_vel[j, 0] - mass[j] * by_vel[i, 0]
                    uy = mass[i] * by_vel[j, 1] - mass[j] * by_vel[i, 1]
                    uz = mass[i] * by_vel[j, 2] - mass[j] * by_vel[i, 2]
                    along = dx * ux + dy * uy + dz * uz
                    by_mass[i] += mag * (dx * by_vel[j, 0] + dy * by_vel[j, 1] + dz * by_vel[j, 2])
                    by_mass[j] -= mag * (dx * by_vel[i, 0] + dy * by_vel[i, 1] + dz * by_vel[i, 2])
                    factor = -3.0 * along * mag / square
                    gx, gy, gz = mag * ux + factor * dx, mag * uy + factor * dy, mag * uz + factor * dz
                    by_pos[i, 0] += gx
                    by_pos[i, 1] += gy
                    by_pos[i, 2] += gz
                    by_pos[j, 0] -= gx
                    by_pos[j, 1] -= gy
                    by_pos[j, 2] -= gz
        return value, by_pos, by_vel, by_mass
    problem = Problem(loss, by_hand, parameters=3)

    @problem.formulation("njit")
    def _(numba, *arguments):
        return numba.njit(by_hand)

    @problem.formulation("jax")
    def _(jax, *arguments):
        def jax_loss(position, velocity, mass):
            def one(state, _):
                pos, vel = state
                difference = pos[:, None, :] - pos[None, :, :]
                magnitude = STEP * ((difference * difference).sum(2) + SOFTENING) ** -1.5
                vel = vel - (difference * (mass[None, :] * magnitude)[:, :, None]).sum(1)
                return (pos + STEP * vel, vel), None
            pos = jax.lax.scan(one, (position, velocity), None, length=steps)[0][0]
            return jax.numpy.sum(pos * pos)
        return jax_loss
    return problem


def cluster(n: int) -> tuple:
    """Positions, velocities, masses."""
    rng = np.random.default_rng(n)
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 3)), rng.uniform(size=n)
