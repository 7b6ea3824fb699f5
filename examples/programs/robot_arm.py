"""Forward kinematics of a six-joint robot arm by Denavit-Hartenberg parameters."""

from math import acos, cos, pi, sin, sqrt

import numpy as np

# Of each link: length a, twist alpha, offset d (metres and radians; the proportions of a common industrial arm).
LINKS = [(0.0, pi / 2, 0.0892), (-0.425, 0.0, 0.0), (-0.392, 0.0, 0.0), (0.0, pi / 2, 0.1093), (0.0, -pi / 2, 0.09475), (0.0, 0.0, 0.0825)]


def link_transform(a, alpha, d, theta):
    ct, st, ca, sa = cos(theta), sin(theta), cos(alpha), sin(alpha)
    return np.array([
        [ct, -st * ca, st * sa, a * ct],
        [st, ct * ca, -ct * sa, a * st],
        [0.0, sa, ca, d],
        [0.0, 0.0, 0.0, 1.0],
    ])


def forward_kinematics(joints):
    """The pose of the hand as a 4x4 matrix."""
    pose = np.eye(4)
    for (a, alpha, d), theta in zip(LINKS, joints):
        pose = pose @ link_transform(a, alpha, d, theta)
    return pose


def pose_error(joints, target):
    """Squared distance from a target pose, in place and in angle."""
    pose = forward_kinematics(joints)
    difference = pose[:3, 3] - target[:3, 3]
    rotation = pose[:3, :3].T @ target[:3, :3]
    angle = acos((np.trace(rotation) - 1.0) / 2.0)
    return sqrt(difference.dot(difference)) + 0.1 * angle**2
