"""Drivers of SciPy that are compiled, or decide by numbers what to do next: refused where traced values come to them, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import UnsupportedError
from .context import user_line_of, user_location

_OF_SOLUTIONS = ("Call it outside, for the solution x(p) of f(x, p) = 0; its derivative there is -(∂f/∂x)⁻¹ ∂f/∂p, with jacobian(f, (0, 1)) and "
                 "np.linalg.solve. Newton's iteration, written as a loop, is followed.")
_OF_MINIMA = ("Call it outside; the derivative of the minimiser x(p) of f(x, p) is that of the root of grad(f): -(∂²f/∂x²)⁻¹ ∂²f/∂x∂p, with "
              "jacobian(grad(f), (0, 1)) and np.linalg.solve.")
_OF_PATHS = ("Write the steps as a loop (a fixed Runge-Kutta rule), or call it outside on the state and its sensitivities, S' = ∂f/∂y S + ∂f/∂p, with "
             "jacobian(f, (1, 2)).")
_OF_INTEGRALS = "Use a rule with fixed points: scipy.integrate.fixed_quad, or x, w = np.polynomial.legendre.leggauss(n) and np.sum(w * f(x))."
_NAMES = {
    "integrate": {_OF_PATHS: ("solve_ivp", "odeint", "solve_bvp"), _OF_INTEGRALS: ("quad", "dblquad", "tplquad", "nquad")},
    "optimize": {_OF_SOLUTIONS: ("brentq", "brenth", "bisect", "ridder", "fsolve", "root", "root_scalar"),
                 _OF_MINIMA: ("minimize", "least_squares", "curve_fit", "leastsq", "fmin", "fmin_bfgs", "fmin_l_bfgs_b")},
}
_CURES = {f"scipy.{module}.{name}": cure for module, cures in _NAMES.items() for cure, names in cures.items() for name in names}


def refusal(function) -> Callable | None:
    """What stands for one of these functions on traced values; None for all others."""
    name = f"{'.'.join(str(function.__module__).split('.')[:2])}.{function.__name__}"
    if name not in _CURES:
        return None

    def refuse(*args, **kwargs):
        raise UnsupportedError(f"{name} is not supported on traced values ({user_line_of(user_location(3))}): it is compiled, or its steps depend on numbers "
                               f"that are not known while the graph is built. {_CURES[name]}")
    return refuse


__all__ = ["refusal"]
