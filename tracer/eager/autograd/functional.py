"""Products with Jacobians and Hessians of functions of tensors, and the matrices themselves: ``torch.autograd.functional``.

Each takes ``func``, its inputs (a tensor or a tuple of them) and, for products, a vector ``v`` of the shape of the inputs or outputs. Results
have the structure that PyTorch gives them. ``create_graph=True`` makes them differentiable; ``strict=True`` refuses, where results would be
zeros because nothing depends on an input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..backward import grad
from ..modes import enable_grad, is_grad_enabled, set_grad_enabled
from ..operations.creation import zeros_like
from ..operations.joining import stack
from ..tensor import Tensor
from . import forward_ad

IN_STRICT_MODE = "This is not allowed in strict mode"


class Group(NamedTuple):
    """A tensor or a tuple of tensors, as a tuple."""

    tensors: tuple[Tensor, ...]
    is_tuple: bool

    def restored(self, results: tuple):
        """Results, one per tensor, in the structure that was given."""
        return results if self.is_tuple else results[0]


def vjp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """``(func(*inputs), v · Jacobian)``; the product has the structure of ``inputs``."""
    with enable_grad():
        given = _variables(inputs, "vjp", create_graph)
        outputs = _evaluated(func, given, "vjp", strict)
        if v is not None:
            v = _vector(v, outputs, "vjp", create_graph)
        elif len(outputs.tensors) != 1 or outputs.tensors[0].nelement() != 1:
            raise RuntimeError("The vector v can only be None if the user-provided function returns a single Tensor with a single element.")
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(_gradients(outputs.tensors, given.tensors, v, create_graph), given, strict, create_graph, "back")
    return _finished(outputs, create_graph), _finished(given._replace(tensors=product), create_graph)


def jvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """``(func(*inputs), Jacobian · v)`` by differentiating the vector-Jacobian product in its vector; the product has the structure of the outputs."""
    with enable_grad():
        given = _variables(inputs, "jvp", create_graph)
        v = _input_vector(v, given, "jvp", create_graph)
        outputs = _evaluated(func, given, "jvp", strict)
        seeds = tuple(zeros_like(output, requires_grad=True) for output in outputs.tensors)
        cotangents = _gradients(outputs.tensors, given.tensors, seeds, create_graph=True)
        _check_depends(cotangents, strict, "The gradient with respect to input {} is independent of the inputs of the user-provided function. "
                                           f"{IN_STRICT_MODE}.")
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(_gradients(cotangents, seeds, v, create_graph), outputs, strict, create_graph, "back_trick")
    return _finished(outputs, create_graph), _finished(outputs._replace(tensors=product), create_graph)


def vhp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """``(func(*inputs), v · Hessian)`` of a function that returns one number."""
    with enable_grad():
        given, v, outputs, slope = _slope(func, inputs, v, create_graph, strict, "vhp")
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(_gradients(slope, given.tensors, v, create_graph), given, strict, create_graph, "double_back")
    return _finished(outputs, create_graph), _finished(given._replace(tensors=product), create_graph)


def hvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """``(func(*inputs), Hessian · v)`` of a function that returns one number; slower than `vhp`, and equal to it where the Hessian is symmetric."""
    with enable_grad():
        given, v, outputs, slope = _slope(func, inputs, v, create_graph, strict, "hvp")
        seeds = tuple(zeros_like(each, requires_grad=True) for each in given.tensors)
        twice = _gradients(slope, given.tensors, seeds, create_graph=True)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        product = _filled(_gradients(twice, seeds, v, create_graph), given, strict, create_graph, "double_back_trick")
    return _finished(outputs, create_graph), _finished(given._replace(tensors=product), create_graph)


def jacobian(func: Callable, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False, strategy: str = "reverse-mode"):
    """The Jacobian: ``J[i][j]`` has the shape of output i followed by that of input j; without the index where there is no tuple.

    ``vectorize=True`` pulls all rows back in one call; ``strategy="forward-mode"``, which needs it, pushes all columns forward.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than inputs, '
                             '"forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".')
    if strategy == "forward-mode":
        return _forward_jacobian(func, inputs, create_graph, strict, vectorize)
    with enable_grad():
        given = _variables(inputs, "jacobian", create_graph)
        outputs = _evaluated(func, given, "jacobian", strict)
        if vectorize and strict:
            raise RuntimeError("torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. "
                               "Please either set `strict=False` or `vectorize=False`.")
        blocks = _batched_blocks(outputs, given, create_graph) if vectorize else _blocks_by_rows(outputs, given, create_graph, strict)
    return outputs.restored(tuple([_finished(given._replace(tensors=row), create_graph) for row in blocks]))


def hessian(func: Callable, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode"):
    """The Hessian of a function that returns one number: ``H[i][j]`` has the shape of input i followed by that of input j."""
    given = _group(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def scalar(*arguments):
        return _scalar_output(_group(func(*arguments), "outputs of the user-provided function", "hessian"), strict, "hessian").squeeze()

    def slope(*arguments):
        if outer_jacobian_strategy == "forward-mode":
            arguments = tuple([each.requires_grad_(True) for each in arguments])
        found = jacobian(scalar, arguments, create_graph=True)
        _check_depends(found, strict, _JACOBIAN_IS_CONSTANT)
        return found

    blocks = jacobian(slope, given.tensors, create_graph, strict, vectorize, outer_jacobian_strategy)
    return given.restored(tuple([given.restored(row) for row in blocks]))


# Arguments ---------------------------------------------------------------------------------------------------------------------------

def _group(value, what: str, name: str) -> Group:
    is_tuple = isinstance(value, tuple)
    tensors = value if is_tuple else (value,)
    for number, each in enumerate(tensors):
        if not isinstance(each, Tensor):
            where = f"value at index {number}" if is_tuple else f"given {what}"
            raise TypeError(f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the {where} has type {type(each)}.")
    return Group(tensors, is_tuple)


def _variables(inputs, name: str, create_graph: bool) -> Group:
    """New tensors, so that a function which has captured the inputs themselves does not depend on them."""
    group = _group(inputs, "inputs", name)
    return group._replace(tensors=tuple([_variable(each, create_graph, True) for each in group.tensors]))


def _variable(tensor, create_graph: bool, needs_grad: bool):
    return tensor.view_as(tensor) if create_graph and tensor.requires_grad else tensor.detach().requires_grad_(needs_grad)


def _vector(v, like: Group, name: str, create_graph: bool) -> tuple:
    vectors = tuple([_variable(each, create_graph, False) for each in _group(v, "v", name).tensors])
    if len(vectors) != len(like.tensors):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like.tensors)} but got {len(vectors)}." if like.is_tuple
                           else "The given v should contain a single Tensor.")
    for number, (vector, each) in enumerate(zip(vectors, like.tensors)):
        if vector.size() != each.size():
            raise RuntimeError(f"{f'Entry {number} in ' if like.is_tuple else ''}v has invalid size: should be {each.size()} but got {vector.size()}.")
    return vectors


def _input_vector(v, given: Group, name: str, create_graph: bool) -> tuple | None:
    if v is not None:
        return _vector(v, given, name, create_graph)
    if len(given.tensors) != 1 or given.tensors[0].nelement() != 1:
        raise RuntimeError("The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.")
    return None


# Evaluation --------------------------------------------------------------------------------------------------------------------------

_OUTPUT_IS_CONSTANT = ("Output {} of the user-provided function does not require gradients. The outputs must be computed in a differentiable manner "
                       "from the input when running in strict mode.")
_JACOBIAN_IS_CONSTANT = ("While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is independent of "
                         f"the input. {IN_STRICT_MODE}. You should ensure that your function is twice differentiable and that the jacobian depends on the "
                         "inputs (this would be violated by a linear function for example).")


def _evaluated(func: Callable, given: Group, name: str, strict: bool) -> Group:
    outputs = _group(func(*given.tensors), "outputs of the user-provided function", name)
    _check_depends(outputs.tensors, strict, _OUTPUT_IS_CONSTANT)
    return outputs


def _check_depends(tensors: tuple, strict: bool, message: str) -> None:
    if strict:
        for number, each in enumerate(tensors):
            if each is None:
                raise RuntimeError(f"The output of the user-provided function is independent of input {number}. {IN_STRICT_MODE}.")
            if not each.requires_grad:
                raise RuntimeError(message.format(number))


def _scalar_output(outputs: Group, strict: bool, name: str):
    _check_depends(outputs.tensors, strict, _OUTPUT_IS_CONSTANT)
    if outputs.is_tuple:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs.tensors[0].nelement() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
    return outputs.tensors[0]


def _slope(func: Callable, inputs, v, create_graph: bool, strict: bool, name: str):
    """The variables, the vector, the value and the gradient of a scalar function."""
    given = _variables(inputs, name, create_graph)
    v = _input_vector(v, given, name, create_graph)
    outputs = _group(func(*given.tensors), "outputs of the user-provided function", name)
    _scalar_output(outputs, strict, name)
    slope = _gradients(outputs.tensors, given.tensors, None, create_graph=True)
    _check_depends(slope, strict, _JACOBIAN_IS_CONSTANT)
    return given, v, outputs, slope


def _gradients(outputs: tuple, inputs: tuple, seeds: tuple | None, create_graph: bool, **options) -> tuple:
    """``autograd.grad`` of those outputs that depend on something; None where there is no way."""
    seeds = seeds if seeds is not None else (None,) * len(outputs)
    pairs = [(output, seed) for output, seed in zip(outputs, seeds) if output is not None and output.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    outputs, seeds = zip(*pairs)
    return grad(outputs, inputs, seeds, allow_unused=True, create_graph=create_graph, **options)


_MISSING = {
    "back": f"The output of the user-provided function is independent of input {{}}. {IN_STRICT_MODE}.",
    "back_trick": "The gradient with respect to the input is independent of entry {} in the grad_outputs when using the double backward trick to "
                  f"compute forward mode gradients. {IN_STRICT_MODE}.",
    "double_back": f"The jacobian of the user-provided function is independent of input {{}}. {IN_STRICT_MODE}.",
    "double_back_trick": f"The hessian of the user-provided function is independent of entry {{}} in the grad_jacobian. {IN_STRICT_MODE} as it prevents "
                         "from using the double backward trick to replace forward mode AD.",
}


def _filled(gradients: tuple, like: Group, strict: bool, create_graph: bool, stage: str) -> tuple:
    """Zeros where nothing came back; in strict mode an error."""
    found = []
    for number, (each, reference) in enumerate(zip(gradients, like.tensors)):
        if each is None and strict:
            raise RuntimeError(_MISSING[stage].format(number))
        if each is not None and strict and create_graph and not each.requires_grad:
            what = "hessian" if "double" in stage else "jacobian"
            raise RuntimeError(f"The {what} of the user-provided function is independent of input {number}. {IN_STRICT_MODE} when create_graph=True.")
        found.append(zeros_like(reference) if each is None else each)
    return tuple(found)


def _finished(group: Group, create_graph: bool):
    return group.restored(group.tensors if create_graph else tuple([each.detach() for each in group.tensors]))


# Whole Jacobians ---------------------------------------------------------------------------------------------------------------------

def _blocks_by_rows(outputs: Group, given: Group, create_graph: bool, strict: bool) -> list[tuple]:
    """One pull for each element of each output."""
    blocks = []
    for number, output in enumerate(outputs.tensors):
        rows = [_row(output.reshape(-1)[k], number, given, create_graph, strict) for k in range(output.nelement())]
        blocks.append(tuple([stack([row[j] for row in rows], dim=0).view(output.size() + each.size()) for j, each in enumerate(given.tensors)]))
    return blocks


def _row(element, number: int, given: Group, create_graph: bool, strict: bool) -> list:
    pulled = []
    for place, (each, reference) in enumerate(zip(_gradients((element,), given.tensors, None, create_graph, retain_graph=True), given.tensors)):
        if strict and each is None:
            raise RuntimeError(f"Output {number} of the user-provided function is independent of input {place}. {IN_STRICT_MODE}.")
        if strict and create_graph and not each.requires_grad:
            raise RuntimeError(f"The jacobian of the user-provided function is independent of input {number}. {IN_STRICT_MODE} when create_graph=True.")
        pulled.append(zeros_like(reference) if each is None else each)
    return pulled


def _basis(tensors: tuple) -> tuple:
    """For each tensor its part of the unit matrix over all elements: ``(all elements, own elements)``."""
    total, start, parts = sum(each.nelement() for each in tensors), 0, []
    for each in tensors:
        part = each.new_zeros(total, each.nelement())
        part.diagonal(-start).fill_(1)
        parts.append(part)
        start += each.nelement()
    return tuple(parts)


def _batched_blocks(outputs: Group, given: Group, create_graph: bool) -> list[tuple]:
    """All rows of all outputs in one batched pull."""
    sizes = [each.nelement() for each in outputs.tensors]
    flat = tuple([each.reshape(-1) for each in outputs.tensors])
    pulled = _gradients(flat, given.tensors, _basis(outputs.tensors), create_graph, is_grads_batched=True)
    pulled = [each if each is not None else reference.new_zeros(sum(sizes), *reference.shape) for each, reference in zip(pulled, given.tensors)]
    parts = [each.split(sizes, dim=0) for each in pulled]
    return [tuple([part[i].view(output.shape + each.shape) for part, each in zip(parts, given.tensors)]) for i, output in enumerate(outputs.tensors)]


def _forward_jacobian(func: Callable, inputs, create_graph: bool, strict: bool, vectorize: bool):
    for option, is_set in (("create_graph", create_graph), ("strict", strict)):
        if is_set:
            kind = NotImplementedError if option == "create_graph" else RuntimeError
            raise kind(f'torch.autograd.functional.jacobian: `{option}=True` and `strategy="forward-mode"` are not supported together (yet). '
                       f'Please either set `{option}=False` or `strategy="reverse-mode"`.')
    given = _group(inputs, "inputs", "jacobian")
    if not vectorize:
        raise NotImplementedError("Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for `vectorize=True`.")
    columns = []
    for j, (each, part) in enumerate(zip(given.tensors, _basis(given.tensors))):
        start = sum(other.nelement() for other in given.tensors[:j])
        for k in range(each.nelement()):
            outputs, tangents = _pushed(func, given, j, part[start + k].view_as(each))
            columns.append(tangents)
    return _joined_columns(outputs, given, columns)


def _pushed(func: Callable, given: Group, place: int, tangent) -> tuple[Group, list]:
    """The outputs and their tangents for a tangent of one input."""
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(each, tangent if k == place else zeros_like(each)) for k, each in enumerate(given.tensors)]
        outputs = _group(func(*duals), "outputs", "jacobian")
        pairs = [forward_ad.unpack_dual(each) for each in outputs.tensors]
        return outputs, [zeros_like(primal) if pushed is None else pushed for primal, pushed in pairs]


def _joined_columns(outputs: Group, given: Group, columns: list):
    rows = []
    for i, output in enumerate(outputs.tensors):
        start, row = 0, []
        for each in given.tensors:
            block = stack([column[i] for column in columns[start:start + each.nelement()]], dim=0)
            row.append(block.permute(*range(1, block.dim()), 0).reshape((*output.shape, *each.shape)))
            start += each.nelement()
        rows.append(given.restored(tuple(row)))
    return outputs.restored(tuple(rows))
