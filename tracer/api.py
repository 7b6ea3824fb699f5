"""The public functions: what is made of a user's function, as function, decorator, or decorator with options."""

from __future__ import annotations

import types
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from .compiled import Compiled, make_compiled
from .errors import ArgumentError
from .ops import TABLE
from .products import CotangentProduct, HessianProduct, TangentProduct
from .settings import Settings
from .trace.arguments import check_argnums
from .trace.static import Identity, Static, static_key
from .trace.trees import DATA, Describer, build
from .trace.value import Traced, make
from .transform import Gradient, Hessian, Jacobian, Transform, Value, ValueAndGradient

Argnums = int | str | Sequence[int | str]
Level = Literal["safe", "fast"] | bool


def grad(f: Callable | None = None, argnums: Argnums = 0, *, has_aux: bool = False, simplify: Level = "safe", cache: bool = True) -> Any:
    """The gradient of a function that returns one float.

    ``f`` is plain NumPy code. ``argnums`` says with respect to which arguments: an int (negative ones count from the end), a name,
    or a tuple of these, which gives a tuple of gradients. A gradient has the structure, shapes and dtypes of its argument, and None
    where this is not a float. With ``has_aux`` the function returns ``(value, aux)``, and the result is ``(gradient, aux)``.
    ``simplify`` is "safe" (nothing that loses accuracy or changes what NaN and inf do), "fast" (real-number algebra) or False.
    With ``cache=False`` what is compiled is not kept on disk, and not looked for there.

    A call takes one argument more, ``out``: a C-contiguous array that the gradient is written into, a tuple of them for several, or a tree of
    the gradient's structure, with None where that has numbers.

    Closures and globals are read when the function is traced, as Numba does; ``.retrace()`` forgets what was compiled. ``.value``,
    ``.value_and_grad``, ``.graph``, ``.gradient_graph``, ``.expr``, ``.gradient_expr``, ``.source`` and ``.explain()`` show what was made.

    Use it as ``grad(f)``, as ``@grad``, or as ``@grad(argnums="w")``.
    """
    return _made(f, Gradient(check_argnums(argnums), bool(has_aux)), Settings(simplify, cache))


def value_and_grad(f: Callable | None = None, argnums: Argnums = 0, *, has_aux: bool = False, simplify: Level = "safe", cache: bool = True) -> Any:
    """Value and gradient, ``(f(*args), gradient)``, which share all work; ``((value, aux), gradient)`` with ``has_aux``. See :func:`grad`."""
    return _made(f, ValueAndGradient(check_argnums(argnums), bool(has_aux)), Settings(simplify, cache))


def jit(f: Callable | None = None, *, simplify: Level = "safe", cache: bool = True) -> Any:
    """The function itself, traced and compiled. See :func:`grad`."""
    return _made(f, Value(), Settings(simplify, cache))


def jacobian(f: Callable | None = None, argnums: Argnums = 0, *, has_aux: bool = False, simplify: Level = "safe", cache: bool = True) -> Any:
    """All derivatives of all outputs: for each output and argument an array of shape ``output.shape + argument.shape``.

    The sweeps run over outputs or over inputs, whichever have fewer elements.
    """
    return _made(f, Jacobian(check_argnums(argnums), bool(has_aux)), Settings(simplify, cache))


def hessian(f: Callable | None = None, argnums: Argnums = 0, *, has_aux: bool = False, simplify: Level = "safe", cache: bool = True) -> Any:
    """All second derivatives of a function that returns one float: shape ``argument.shape + argument.shape``."""
    return _made(f, Hessian(check_argnums(argnums), bool(has_aux)), Settings(simplify, cache))


def jvp(f: Callable, primals: Sequence, tangents: Sequence, *, simplify: Level = "safe", cache: bool = True) -> tuple[Any, Any]:
    """``(f(*primals), tangents of the outputs)`` by forward mode. ``primals`` and ``tangents`` are tuples, one entry per argument."""
    return _product(f, TangentProduct(), Settings(simplify, cache))(_entries(primals, "primals", "jvp"), _entries(tangents, "tangents", "jvp"))


def vjp(f: Callable, *primals: Any, has_aux: bool = False, simplify: Level = "safe", cache: bool = True) -> tuple:
    """``(f(*primals), vjp_fn)``, with ``aux`` third for ``has_aux``; ``vjp_fn(cotangents of the outputs)`` is a tuple with one entry per argument.

    The primals are copied, so that changing them afterwards changes nothing.
    """
    value = _product(f, Value(), Settings(simplify, cache))(*primals)
    if has_aux:
        value, aux = value
    pull = _product(f, CotangentProduct(has_aux=bool(has_aux)), Settings(simplify, cache))
    kept = _copied(primals)

    def vjp_fn(cotangents: Any) -> tuple:
        """The cotangents of the arguments."""
        return pull(kept, cotangents)
    return (value, vjp_fn, aux) if has_aux else (value, vjp_fn)


def hvp(f: Callable, primals: Sequence, tangents: Sequence, *, simplify: Level = "safe", cache: bool = True) -> Any:
    """The Hessian of ``f`` at ``primals`` times ``tangents``, forward over reverse, without making the Hessian.

    For one argument the product has its structure; for several it is a tuple, and the Hessian is that of all of them together.
    """
    return _product(f, HessianProduct(), Settings(simplify, cache))(_entries(primals, "primals", "hvp"), _entries(tangents, "tangents", "hvp"))


def stop_gradient(x: Any) -> Any:
    """``x``, which derivatives take as a constant. Outside of a trace it is ``x`` itself; trees are taken apart."""
    describer = Describer(lambda value, path: DATA if type(value) is Traced else Static(value, (id(value),)))
    spec = describer(x)
    return build(spec, (make(TABLE["stop_gradient"], (leaf,)) for leaf in describer.leaves)) if describer.leaves else x


# Making and finding objects ---------------------------------------------------------------------------------------------------

def _made(f: Callable | None, transform: Transform, settings: Settings) -> Any:
    simplify = settings.simplify
    if simplify not in ("safe", "fast") and simplify is not False:
        raise ArgumentError(f'simplify={simplify!r}; it takes "safe", "fast" or False.')
    if f is None:
        return lambda function: _made(function, transform, settings)
    return make_compiled(f, transform, settings)


KEPT_PRODUCTS = 256
_products: OrderedDict[tuple, Compiled] = OrderedDict()


def _product(f: Callable, transform: Transform, settings: Settings) -> Compiled:
    """The compiled object behind jvp and its kin: one for a function and options, the least recently used go."""
    key = (static_key(f) if isinstance(f, types.MethodType) else Identity(f), transform, settings)
    with global_compiler_lock:  # the one lock of this project: a process that forks holds it
        found = _products.get(key)
        if found is None:
            found = _products[key] = _made(f, transform, settings)
            if len(_products) > KEPT_PRODUCTS:
                _products.popitem(last=False)
        else:
            _products.move_to_end(key)
        return found


def _entries(values: Sequence, what: str, name: str) -> tuple:
    if not isinstance(values, (tuple, list)):
        raise ArgumentError(f"{name}() takes {what} as a tuple with one entry per argument, not a {type(values).__name__}: "
                            f"{name}(f, (x,), (v,)).")
    return tuple(values)


def _copied(values: tuple) -> tuple:
    """The same tree with its arrays copied."""
    describer = Describer(lambda value, path: DATA if isinstance(value, np.ndarray) else Static(value, (id(value),)))
    spec = describer(values)
    return build(spec, (leaf.copy() for leaf in describer.leaves))
