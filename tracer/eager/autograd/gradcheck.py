"""Derivatives against finite differences: ``torch.autograd.gradcheck`` and ``gradgradcheck``.

The Jacobian of every differentiable output with respect to every input that requires gradient is compared with central differences. Inputs
should be float64; they must not overlap in memory. Tolerances and texts are PyTorch's.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..backward import grad
from ..dtypes import float64
from ..operations.creation import zeros_like
from ..operations.joining import stack
from ..operations.random import Generator, rand, randn_like
from ..tensor import Tensor
from . import forward_ad
from .function import Function
from .gradcheck_texts import NONDETERMINISTIC, SLOW_IS_FINE


class GradcheckError(RuntimeError):
    """A derivative that disagrees with finite differences, or does not behave as one."""


class Tolerances(NamedTuple):
    """The step of the differences, and what may differ."""

    eps: float
    atol: float
    rtol: float
    nondet: float


class Checked(NamedTuple):
    """A function, its inputs and what it returned for them."""

    func: Callable
    inputs: tuple
    returned: tuple           # all outputs
    outputs: tuple            # those that require gradient
    tolerances: Tolerances

    def variables(self) -> list:
        return [each for each in self.inputs if _is_variable(each)]

    def numbers(self) -> list[int]:
        return [k for k, each in enumerate(self.inputs) if _is_variable(each)]


def gradcheck(func: Callable, inputs, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True, nondet_tol: float = 0.0,
              check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
              check_batched_forward_grad: bool = False, check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False,
              masked: bool | None = None) -> bool:
    """True when the derivatives of ``func`` at ``inputs`` agree with differences; else GradcheckError, or False without ``raise_exception``."""
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    try:
        inputs = _as_tuple(inputs)
        _check_inputs(inputs)
        returned = _as_tuple(func(*inputs))
        check = Checked(func, inputs, returned, _differentiable(returned), Tolerances(eps, atol, rtol, nondet_tol))
        compare = _compare_products if fast_mode else _compare_matrices
        if check_backward_ad:
            compare(check, check_grad_dtypes, is_forward=False)
        if check_forward_ad:
            compare(check, check_grad_dtypes, is_forward=True)
        if check_backward_ad:
            _check_backward(check, check_batched_grad, check_undefined_grad, masked)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func: Callable, inputs, grad_outputs=None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
                  gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
                  check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_fwd_over_rev: bool = False,
                  check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False) -> bool:
    """`gradcheck` of the gradient, as a function of the inputs and of the gradients that come in (random in [-1, 1) where they are not given)."""
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    if check_undefined_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_undefined_grad=True requires check_rev_over_rev to be True")
    if check_batched_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_batched_grad=True requires check_rev_over_rev to be True")
    inputs = _as_tuple(inputs)
    seeds = _as_tuple(grad_outputs) if grad_outputs is not None else tuple([_seed(each, gen_non_contig_grad_outputs) for each in
                                                                            _differentiable(_as_tuple(func(*inputs)))])
    needs = [_is_variable(each) for each in (*inputs, *seeds)]

    def gradients(*arguments):
        arguments = [each.requires_grad_() if needed else each for each, needed in zip(arguments, needs)]
        given, pushed = arguments[:len(inputs)], arguments[len(inputs):]
        variables = [each for each, needed in zip(given, needs) if needed]
        found = grad(_differentiable(_as_tuple(func(*given))), variables, pushed, create_graph=True, allow_unused=True)
        return tuple([each for each in found if each is not None])

    return gradcheck(gradients, inputs + seeds, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
                     check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad,
                     check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev, fast_mode=fast_mode, masked=masked)


# Arguments ---------------------------------------------------------------------------------------------------------------------------

def _as_tuple(value) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _is_variable(value) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _differentiable(outputs: tuple) -> tuple:
    return tuple([each for each in outputs if each.requires_grad])


def _seed(output, with_gaps: bool):
    shape = (*output.shape[:-1], 2 * output.shape[-1]) if with_gaps and output.dim() else output.shape
    values = rand(shape, dtype=output.dtype) * 2 - 1
    return (values[..., ::2] if with_gaps and output.dim() else values).detach().requires_grad_()


def _check_inputs(inputs: tuple) -> None:
    for number, each in enumerate(inputs):
        if not _is_variable(each):
            continue
        if each.dtype != float64:
            warnings.warn(f"Input #{number} requires gradient and is not a double precision floating point or complex. This check will likely fail if "
                          f"all the inputs are not of double precision floating point or complex. ", stacklevel=3)
        if any(stride == 0 and size > 1 for stride, size in zip(each.stride(), each.size())):
            raise RuntimeError(f"The {number}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be able "
                               f"to compute the numerical gradients correctly. You should call .contiguous on the input before passing it to gradcheck.")
    if not any(map(_is_variable, inputs)):
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.")


# Differences -------------------------------------------------------------------------------------------------------------------------

def _difference(check: Checked, entry, step, norm: float, place=None) -> list:
    """Central difference quotients of all outputs, flat, when ``entry`` (a view of an input) is moved by ``step``."""
    before = entry.clone()
    entry.copy_(before - step)
    low = [each.clone() for each in _as_tuple(check.func(*check.inputs))]
    entry.copy_(before + step)
    high = [each.clone() for each in _as_tuple(check.func(*check.inputs))]
    entry.copy_(before)
    where = f"on index {place} " if place is not None else ""
    for a, b in zip(low, high):
        for what in ("shape", "dtype"):
            if getattr(a, what) != getattr(b, what):
                raise AssertionError(f"Expected `func` to return outputs with the same {what} when inputs are perturbed {where}by {norm}, but got: "
                                     f"{what}s {getattr(a, what)} and {getattr(b, what)}.")
    return [((b - a) / (2 * norm)).detach().reshape(-1) for a, b in zip(low, high)]


def _numerical_matrices(check: Checked, variable) -> list:
    """For each floating-point output the matrix ``(elements of the variable, elements of the output)``."""
    floats = [k for k, each in enumerate(check.returned) if each.is_floating_point()]
    found = [check.returned[k].detach().new_zeros(variable.numel(), check.returned[k].numel()) for k in floats]
    values, eps = variable.data, check.tolerances.eps
    for row, place in enumerate(itertools.product(*map(range, variable.size()))):
        quotients = _difference(check, values[place], eps, eps, place)
        for matrix, k in zip(found, floats):
            matrix[row] = quotients[k]
    return found


# Derivatives -------------------------------------------------------------------------------------------------------------------------

def _pulled(check: Checked, output, seed) -> tuple:
    return grad(output, check.variables(), seed, retain_graph=True, allow_unused=True)


def _reverse_matrices(check: Checked, output, check_dtypes: bool, seed=None) -> list:
    """For each variable the matrix ``(its elements, elements of the output)``, or with a seed the one column; pulled twice, to see the same twice."""
    seeds = [seed] if seed is not None else _units(output)
    first, is_sized, is_typed = _columns(check, [_pulled(check, output, each) for each in seeds])
    second, _, _ = _columns(check, [_pulled(check, output, each) for each in seeds])
    if not is_typed and check_dtypes:
        raise GradcheckError("Gradient has dtype mismatch")
    if not is_sized:
        raise GradcheckError("Analytical gradient has incorrect size")
    if any(a.numel() and bool((a - b).abs().max() > check.tolerances.nondet) for a, b in zip(first, second)):
        raise GradcheckError("Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different values, "
                             "although analytical gradient matches numerical gradient.The tolerance for nondeterminism was "
                             f"{check.tolerances.nondet}.{NONDETERMINISTIC}")
    return first


def _units(like) -> list:
    found = []
    for k in range(like.numel()):
        unit = zeros_like(like).detach()
        unit.view(-1)[k] = 1.0
        found.append(unit)
    return found


def _columns(check: Checked, pulls: list) -> tuple[list, bool, bool]:
    matrices, is_sized, is_typed = [], True, True
    for k, variable in enumerate(check.variables()):
        matrix = variable.detach().new_zeros(variable.numel(), len(pulls))
        for column, pull in enumerate(pulls):
            if pull[k] is not None:
                is_sized &= pull[k].size() == variable.size()
                is_typed &= pull[k].dtype == variable.dtype
                matrix[:, column] = pull[k].detach().reshape(-1)
        matrices.append(matrix)
    return matrices, is_sized, is_typed


def _forward_matrices(check: Checked, number: int, tangents: list) -> list:
    """For each floating-point output the matrix ``(tangents, elements of the output)``, for tangents of one input."""
    rows = []
    with forward_ad.dual_level():
        for tangent in tangents:
            duals = [forward_ad.make_dual(each.detach(), tangent if k == number else zeros_like(each)) if _is_variable(each) else each
                     for k, each in enumerate(check.inputs)]
            pairs = [forward_ad.unpack_dual(each) for each in _as_tuple(check.func(*duals)) if each.is_floating_point()]
            rows.append([(zeros_like(primal) if pushed is None else pushed).detach().reshape(-1) for primal, pushed in pairs])
    return [stack([row[k] for row in rows]) for k in range(len(rows[0]))] if rows else []


# Comparison --------------------------------------------------------------------------------------------------------------------------

def _compare_matrices(check: Checked, check_dtypes: bool, is_forward: bool) -> None:
    """Every entry of every Jacobian."""
    numerical = [_numerical_matrices(check, variable) for variable in check.variables()]
    if not check.outputs:
        if any(bool(matrix.ne(0).any()) for matrices in numerical for matrix in matrices):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    kept = [k for k, each in enumerate([each for each in check.returned if each.is_floating_point()]) if each.requires_grad]
    forward = [_forward_matrices(check, number, _units(check.inputs[number])) for number in check.numbers()] if is_forward else None
    for i, output in enumerate(check.outputs):
        reverse = None if is_forward else _reverse_matrices(check, output, check_dtypes)
        for j, matrices in enumerate(numerical):
            analytical, expected = forward[j][kept[i]] if is_forward else reverse[j], matrices[kept[i]]
            if not _is_close(analytical, expected, check.tolerances.rtol, check.tolerances.atol):
                raise GradcheckError(_mismatch(analytical, expected, i, j, is_forward))


def _compare_products(check: Checked, check_dtypes: bool, is_forward: bool) -> None:
    """One random product with each Jacobian (fast mode)."""
    eps, atol, rtol, _ = check.tolerances
    variables, floats = check.variables(), [each for each in check.returned if each.is_floating_point()]
    directions = [_unit_vector(each) for each in variables]
    weights = None if is_forward else [_unit_vector(each) for each in check.outputs]
    quotients = [[each for each, output in zip(_difference(check, variable.data, (direction * eps).view_as(variable), eps), check.returned)
                  if output.is_floating_point()] for variable, direction in zip(variables, directions)]
    if not check.outputs:
        if any(each.numel() and bool(each.abs().max() > check.tolerances.nondet) for row in quotients for each in row):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    for j, output in enumerate(check.outputs):
        place = next(k for k, each in enumerate(floats) if each is output)
        pulled = None if is_forward else _reverse_matrices(check, output, check_dtypes, weights[j].view_as(output))
        for i, direction in enumerate(directions):
            if is_forward:
                expected = quotients[i][place]
                analytical = _forward_matrices(check, check.numbers()[i], [direction.view_as(variables[i])])[place][0]
            else:
                expected, analytical = (weights[j] * quotients[i][place]).sum(), pulled[i].view(-1).dot(direction)
            allowed = atol * float(direction.sum()) * (1.0 if is_forward else float(weights[j].sum()))
            if not _is_close(analytical, expected, rtol, allowed):
                raise GradcheckError(_mismatch(analytical, expected, j, i, is_forward) + _slow_comparison(check, i, j, place, is_forward))


def _unit_vector(like):
    vector = rand(like.numel(), generator=Generator()).to(dtype=like.dtype)
    return vector / vector.norm()


def _is_close(a, b, rtol: float, atol: float) -> bool:
    return np.allclose(a.detach().numpy(), b.detach().numpy(), rtol, atol)


def _mismatch(analytical, numerical, output: int, place: int, is_forward: bool) -> str:
    mode = "computed with forward mode " if is_forward else ""
    return f"Jacobian {mode}mismatch for output {output:d} with respect to input {place:d},\nnumerical:{numerical}\nanalytical:{analytical}\n"


def _slow_comparison(check: Checked, i: int, j: int, place: int, is_forward: bool) -> str:
    """The whole matrices of a pair whose products differed."""
    numerical = _numerical_matrices(check, check.variables()[i])[place]
    if is_forward:
        number = check.numbers()[i]
        analytical = _forward_matrices(check, number, _units(check.inputs[number]))[place]
    else:
        lenient = check._replace(tolerances=check.tolerances._replace(nondet=float("inf")))
        analytical = _reverse_matrices(lenient, check.outputs[j], False)[i]
    text = ("\nThe above quantities relating the numerical and analytical jacobians are computed \nin fast mode. See: "
            "https://github.com/pytorch/pytorch/issues/53876 for more background \nabout fast mode. Below, we recompute numerical and analytical "
            f"jacobians in slow mode:\n\nNumerical:\n {numerical}\nAnalytical:\n{analytical}\n\nThe max per-element difference (slow mode) is: "
            f"{(numerical - analytical).abs().max()}.\n")
    return text + (SLOW_IS_FINE if _is_close(analytical, numerical, check.tolerances.rtol, check.tolerances.atol) else "")


# Behaviour ---------------------------------------------------------------------------------------------------------------------------

def _check_backward(check: Checked, is_batched: bool, is_undefined: bool, masked: bool | None) -> None:
    """Batched pulls equal single ones; zeros and absent gradients come back as zeros."""
    if is_batched:
        for number, output in enumerate(check.outputs):
            _check_batched(check, output, number)
    if check.outputs:
        _check_zero_seeds(check, masked)
    if is_undefined and check.outputs:
        _check_undefined(check)


def _check_batched(check: Checked, output, number: int) -> None:
    variables = check.variables()
    seeds = [randn_like(output).detach() for _ in range(2)]
    singles = [[zeros_like(v) if each is None else each for each, v in zip(_pulled(check, output, seed), variables)] for seed in seeds]
    batch = grad(output, variables, stack(seeds), retain_graph=True, allow_unused=True, is_grads_batched=True)
    for place, found in enumerate(batch):
        expected = stack([single[place] for single in singles])
        if found is not None and not _is_close(found, expected, 1e-5, 1e-8):
            raise GradcheckError(f"For output {number} and input {place}:\n\ngot:\n{found}\n\nexpected:\n{expected}\n")


def _check_zero_seeds(check: Checked, masked: bool | None) -> None:
    variables = check.variables()
    found = grad(check.outputs, variables, [zeros_like(each) for each in check.outputs], retain_graph=True, allow_unused=True)
    for each, variable in zip(found, variables):
        if each is None:
            continue
        if not (_is_close(each, zeros_like(each), 1e-5, 1e-8) if masked else bool(each.eq(0).all())):
            raise GradcheckError("backward not multiplied by grad_output")
        if each.dtype != variable.dtype:
            raise GradcheckError("grad is incorrect type")
        if each.size() != variable.size():
            raise GradcheckError("grad is incorrect size")


class _Absent(Function):
    """The identity, whose gradient never arrives."""

    @staticmethod
    def forward(ctx, tensor):
        ctx.set_materialize_grads(False)
        return tensor.clone()

    @staticmethod
    def backward(ctx, cotangent):
        return None


def _check_undefined(check: Checked) -> None:
    count = len(check.outputs)
    for absent in [range(count)] + ([[k] for k in range(count)] if count > 1 else []):
        outputs = [_Absent.apply(each) if k in absent else each for k, each in enumerate(_differentiable(_as_tuple(check.func(*check.inputs))))]
        notes = 'Please look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'
        try:
            found = grad(outputs, check.variables(), [zeros_like(each) for each in outputs], allow_unused=True)
        except RuntimeError as error:
            _warn_of_new_check()
            raise GradcheckError(f"Expected backward function to handle undefined output grads. {notes}") from error
        if any(each is not None and not bool(each.eq(0).all()) for each in found):
            _warn_of_new_check()
            raise GradcheckError(f"Expected all input grads to be undefined or zero when all output grads are undefined or zero. {notes}")


def _warn_of_new_check() -> None:
    warnings.warn("Backwards compatibility: New undefined gradient support checking feature is enabled by default, but it may break existing callers of "
                  'this function. If this is true for you, you can call this function with "check_undefined_grad=False" to disable the feature', stacklevel=2)
