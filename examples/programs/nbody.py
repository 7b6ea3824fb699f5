"""Planets under their mutual gravity, by the leapfrog method (kick, drift, kick)."""

import math

import numpy as np

G = 39.47841760435743  # 4 pi^2: astronomical units, years, solar masses


def accelerations(positions, masses):
    n = len(masses)
    result = np.zeros((n, 3))
    for i in range(n):
        for j in range(i + 1, n):
            dx = positions[j, 0] - positions[i, 0]
            dy = positions[j, 1] - positions[i, 1]
            dz = positions[j, 2] - positions[i, 2]
            distance = math.sqrt(dx * dx + dy * dy + dz * dz)
            factor = G / distance**3
            for axis, d in enumerate((dx, dy, dz)):
                result[i, axis] += factor * masses[j] * d
                result[j, axis] -= factor * masses[i] * d
    return result


def simulate(positions, velocities, masses, dt, steps):
    """Positions and velocities after some steps of dt years."""
    positions, velocities = positions.copy(), velocities.copy()
    acceleration = accelerations(positions, masses)
    for _ in range(steps):
        velocities += 0.5 * dt * acceleration
        positions += dt * velocities
        acceleration = accelerations(positions, masses)
        velocities += 0.5 * dt * acceleration
    return positions, velocities


def energy(positions, velocities, masses):
    """Kinetic and potential energy."""
    total = 0.0
    for i, mass in enumerate(masses):
        total += 0.5 * mass * sum(v**2 for v in velocities[i])
        for j in range(i):
            total -= G * mass * masses[j] / math.dist(positions[i], positions[j])
    return total


def miss_distance(velocities, positions, masses, target, dt=0.01, steps=20):
    """How far from a target the last body arrives: what a trajectory is optimised for."""
    positions, velocities = simulate(positions, velocities, masses, dt, steps)
    return math.dist(positions[-1], target) + 1e-3 * energy(positions, velocities, masses)
