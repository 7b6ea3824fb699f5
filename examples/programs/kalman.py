"""An extended Kalman filter for a vehicle that measures distance and bearing to landmarks."""

from math import atan2, cos, hypot, log, pi, sin

import numpy as np

LANDMARKS = np.array([[5.0, 10.0], [10.0, 5.0], [15.0, 15.0]])


def move(x, u, dt, wheelbase):
    """The bicycle model: x is (east, north, heading), u is (speed, steering angle)."""
    heading, speed, steering = x[2], u[0], u[1]
    distance = speed * dt
    if abs(steering) > 0.001:
        beta = (distance / wheelbase) * np.tan(steering)
        radius = wheelbase / np.tan(steering)
        dx = np.array([-radius * sin(heading) + radius * sin(heading + beta), radius * cos(heading) - radius * cos(heading + beta), beta])
    else:
        dx = np.array([distance * cos(heading), distance * sin(heading), 0.0])
    return x + dx


def motion_jacobian(x, u, dt, wheelbase):
    F = np.eye(3)
    heading, speed, steering = x[2], u[0], u[1]
    if abs(steering) > 0.001:
        beta = (speed * dt / wheelbase) * np.tan(steering)
        radius = wheelbase / np.tan(steering)
        F[0, 2] = -radius * cos(heading) + radius * cos(heading + beta)
        F[1, 2] = -radius * sin(heading) + radius * sin(heading + beta)
    else:
        F[0, 2] = -speed * dt * sin(heading)
        F[1, 2] = speed * dt * cos(heading)
    return F


def observe(x, landmark):
    dx, dy = landmark[0] - x[0], landmark[1] - x[1]
    return np.array([hypot(dx, dy), atan2(dy, dx) - x[2]])


def observation_jacobian(x, landmark):
    dx, dy = landmark[0] - x[0], landmark[1] - x[1]
    q = dx**2 + dy**2
    r = np.sqrt(q)
    H = np.zeros((2, 3))
    H[0, 0], H[0, 1] = -dx / r, -dy / r
    H[1] = [dy / q, -dx / q, -1.0]
    return H


def negative_log_likelihood(parameters, controls, measurements):
    """How badly noise levels and wheelbase explain what was measured: what is minimised to tune the filter."""
    wheelbase, sigma_motion, sigma_range, sigma_bearing = parameters
    dt = 0.5
    x = np.array([1.0, 2.0, 0.3])
    P = np.diag([0.1, 0.1, 0.05])
    Q = np.eye(3) * sigma_motion**2
    R = np.diag([sigma_range**2, sigma_bearing**2])
    total = 0.0
    for u, z in zip(controls, measurements):
        F = motion_jacobian(x, u, dt, wheelbase)
        x = move(x, u, dt, wheelbase)
        P = F @ P @ F.T + Q
        for k, landmark in enumerate(LANDMARKS):
            H = observation_jacobian(x, landmark)
            y = z[2 * k:2 * k + 2] - observe(x, landmark)
            S = H @ P @ H.T + R
            det = S[0, 0] * S[1, 1] - S[0, 1] * S[1, 0]
            inverse = np.array([[S[1, 1], -S[0, 1]], [-S[1, 0], S[0, 0]]]) / det
            K = P @ H.T @ inverse
            x = x + K @ y
            P = (np.eye(3) - K @ H) @ P
            total += 0.5 * (y @ inverse @ y + log(det) + 2.0 * log(2.0 * pi))
    return total
