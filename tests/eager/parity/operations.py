"""Every operation on random shapes and values: a program that shows result, derivative and second derivative, or the error."""

import random
from collections.abc import Callable, Sequence

# Expressions of x and y (which broadcast), by the values that they take. Each stands for one overload, with its own grad_fn.
REAL = (
    "x + y", "x - y", "x * y", "x + 2", "2 - x", "x * 0.5", "x / 3", "-x", "x.add(y, alpha=2)", "x.sub(y, alpha=0.5)", "x ** 2", "x ** 3", "x ** 0", "x.square()",
    "x.abs()", "x.sign()", "x.neg()", "x.positive()", "x.exp()", "x.exp2()", "x.expm1()", "x.sin()", "x.cos()", "x.atan()", "x.sinh()", "x.cosh()", "x.tanh()",
    "x.asinh()", "x.sigmoid()", "x.relu()", "x.erf()", "x.erfc()", "x.sinc()", "x.floor()", "x.ceil()", "x.round()", "x.trunc()", "x.frac()", "x.deg2rad()",
    "x.rad2deg()", "x.clone()", "x.detach()", "x.double()", "x.float()", "x.nan_to_num()", "x.clamp(-0.5, 0.5)", "x.clamp(min=0.1)", "x.clamp(max=0.1)",
    "x.clamp(y, y + 1)", "x.clip(-1, 1)", "torch.maximum(x, y)", "torch.minimum(x, y)", "torch.fmax(x, y)", "torch.fmin(x, y)", "torch.where(x > y, x, y)",
    "torch.where(x > 0, x, 0.)", "torch.atan2(x, y)", "torch.hypot(x, y)", "torch.logaddexp(x, y)", "torch.logaddexp2(x, y)", "x.copysign(y)", "torch.lerp(x, y, 0.25)",
    "torch.addcmul(x, y, y, value=2)", "torch.nn.functional.softplus(x)", "torch.nn.functional.gelu(x)", "torch.nn.functional.silu(x)", "torch.nn.functional.elu(x)",
    "torch.nn.functional.leaky_relu(x)", "torch.nn.functional.logsigmoid(x)", "torch.nn.functional.mse_loss(x, x * 2)", "torch.heaviside(x, y)", "x > y", "x == y", "x.isnan()",
    "x.isfinite()", "torch.isclose(x, y)", "x.logical_not()", "x.long()", "torch.special.expit(x)", "torch.special.erfcx(x)", "torch.special.ndtr(x)", "torch.special.log_ndtr(x)",
    "torch.special.i0(x)", "torch.special.i0e(x)", "torch.special.i1(x)", "torch.special.i1e(x)", "torch.special.bessel_j0(x)", "torch.special.bessel_j1(x)", "torch.xlogy(x, y.abs())",
    "x.masked_fill(x > 0, 7.)", "x.masked_select(x > 0)", "x.relu().sqrt()", "x.max()", "x.min()", "x.sum()", "x.mean()", "x.prod()", "x.std()", "x.var()", "x.var(unbiased=False)",
    "x.norm()", "x.norm(1)", "x.norm(3)", "x.norm(float('inf'))", "x.amax()", "x.amin()", "x.logsumexp(())", "x.any()", "x.all()", "x.nansum()", "x.argmax()", "x.argmin()",
    "x.median()", "x.flatten()", "x.reshape(-1)", "x.ravel()", "x.unsqueeze(0)", "x.unsqueeze(-1)", "x.squeeze()", "x.t()", "x.T", "x.roll(1)", "x.cumsum(0)", "x.expand(2, *x.shape)",
    "torch.stack([x, x * 2])", "torch.stack([x, x], -1)", "x[None]", "x[...]", "x.broadcast_to((2, *x.shape))", "x.view_as(x)", "torch.zeros_like(x)", "torch.full_like(x, 2)",
    "torch.broadcast_tensors(x, y)[0]", "torch.special.entr(x.abs())",
)
POSITIVE = (
    "x.log()", "x.log2()", "x.log10()", "x.log1p()", "x.sqrt()", "x.rsqrt()", "x.reciprocal()", "x ** 0.5", "x ** -1", "x ** y", "2 ** x", "x / y", "1 / x", "x % y", "x // y",
    "torch.fmod(x, y)", "torch.remainder(x, 0.7)", "torch.div(x, y, rounding_mode='trunc')", "torch.div(x, y, rounding_mode='floor')", "x.lgamma()", "x.digamma()", "x.tan()",
    "torch.addcdiv(x, y, y)", "torch.special.xlog1py(x, y)", "torch.pow(x, y)", "torch.float_power(x, 2)", "x.acosh()", "torch.polygamma(1, x)", "torch.special.zeta(x + 1.5, y)",
    "torch.ldexp(x, y.round())", "x.mvlgamma(1)",
)
UNIT = ("x.asin()", "x.acos()", "x.atanh()", "x.erfinv()", "x.logit(eps=1e-3)", "torch.special.ndtri(x.abs() + 0.1)", "torch.nn.functional.binary_cross_entropy(x.abs(), y.abs())")
AXIS = (
    "x.sum(0)", "x.sum(-1, keepdim=True)", "x.mean(0)", "x.prod(-1)", "x.std(0)", "x.var(-1, keepdim=True)", "x.max(0)", "x.min(-1)", "x.max(0, keepdim=True)", "x.amax(-1)",
    "x.amin(0)", "x.norm(dim=0)", "x.norm(1, -1)", "x.logsumexp(0)", "x.softmax(-1)", "x.log_softmax(0)", "torch.softmax(x, 0)", "x.cumsum(-1)", "x.cumprod(0)", "x.cummax(0)",
    "x.cummin(-1)", "x.logcumsumexp(0)", "x.argmax(0)", "x.argmin(-1)", "x.argsort(0)", "x.sort(-1)", "x.sort(0, descending=True)", "x.topk(1, 0)", "x.kthvalue(1, 0)", "x.median(0)",
    "x.flip(0)", "x.roll(1, -1)", "x.diff(dim=0)", "x.select(0, 0)", "x.narrow(0, 0, 1)", "x[0]", "x[-1:]", "x[..., 0]", "x[..., ::2]", "x.unbind(0)[0]", "x.split(1, 0)[0]",
    "x.chunk(2, -1)[0]", "torch.cat([x, x * 2], 0)", "torch.cat([x, x], -1)", "x.repeat_interleave(2, 0)", "x.index_select(0, torch.tensor([0, 0]))", "x[torch.tensor([0, 0])]",
    "x.gather(0, torch.zeros_like(x, dtype=torch.int64))", "x.take_along_dim(x.argsort(-1), -1)", "x.scatter(0, torch.zeros_like(x, dtype=torch.int64), 3.)",
    "x.scatter_add(0, torch.zeros_like(x, dtype=torch.int64), x * 2)", "x.index_add(0, torch.tensor([0]), x[:1])", "x.index_fill(0, torch.tensor([0]), 2.)", "x.transpose(0, -1)",
    "x.movedim(0, -1)", "x.repeat(2, *[1] * (x.dim() - 1))", "x.tile(2)", "x.quantile(0.5)", "x.nanmean(0)", "x.unfold(0, 1, 1)", "x.renorm(2, 0, 1.)", "x.count_nonzero(0)",
    "torch.var_mean(x, 0)", "torch.std_mean(x, 0)", "torch.linalg.vector_norm(x, 2, -1)", "torch.trapezoid(x, dim=0)", "torch.nn.functional.normalize(x, dim=-1)", "x.aminmax(dim=0)",
)
MATRIX = (
    "x @ y", "x.mm(y)", "torch.matmul(x, y)", "x @ y[0]", "x[0] @ y", "x.mv(y[0])", "x[0].dot(y[0])", "x[0].inner(y[0])", "torch.outer(x[0], y[0])", "torch.einsum('ij,jk->ik', x, y)",
    "torch.einsum('ij,ij->', x, y)", "torch.einsum('ii->i', x)", "x[None].bmm(y[None])", "torch.stack([x, y]) @ x", "x.t() @ y", "torch.tensordot(x, y, 1)", "torch.kron(x, y)",
    "torch.addmm(x, x, y)", "torch.nn.functional.linear(x, y)", "x.tril()", "x.triu(1)", "x.diag()", "x.diagonal()", "x.trace()", "torch.diag(x[0])", "torch.diag_embed(x)", "x.det()",
    "torch.linalg.det(x)", "x.inverse()", "torch.linalg.inv(x)", "torch.linalg.solve(x, y)", "torch.linalg.solve(x, y[0])", "torch.linalg.cholesky(x @ x.t())", "x.logdet()",
    "torch.linalg.slogdet(x)", "torch.linalg.norm(x)", "torch.linalg.matrix_power(x, 3)", "torch.linalg.multi_dot([x, y, x])", "torch.cross(x[:, :1].expand(2, 3), y[:, :1].expand(2, 3), 1)",
    "x.rot90()", "x.mT", "x.matrix_power(2)", "torch.cdist(x, y)", "torch.linalg.solve_triangular(x.tril(), y, upper=False)", "torch.baddbmm(x[None], x[None], y[None])",
)

SHAPES = ((), (1,), (3,), (2, 3), (3, 1), (1, 3), (2, 1, 3), (0,), (2, 0))
DTYPES = ("float32", "float64")
VALUES = {
    "real": (-2.5, -1.25, -0.5, 0.25, 0.75, 1.5, 2.0, 3.25, -0.125, 0.6),
    "positive": (0.25, 0.5, 0.8, 1.25, 1.5, 2.0, 2.75, 3.5, 0.1, 5.0),
    "unit": (-0.9, -0.5, -0.25, 0.0, 0.125, 0.3, 0.5, 0.75, 0.85, -0.6),
}

PROLOGUE = """\
def show(t):
    for each in (t if isinstance(t, (tuple, list)) else (t,)):
        print(each, each.dtype, tuple(each.shape), *each.detach().numpy().reshape(-1))
"""


def operations() -> list[tuple[str, str]]:
    """All expressions, each with the domain of its values."""
    domains = {"real": REAL, "positive": POSITIVE, "unit": UNIT, "axis": AXIS, "matrix": MATRIX}
    return [(expression, domain) for domain, expressions in domains.items() for expression in expressions]


def program_of(expression: str, domain: str, choose: Callable[[Sequence], object]) -> str:
    """The operation on values that ``choose(options)`` picks, its gradient, and the gradient of that."""
    if domain == "matrix":
        shape = other = (2, 2)
    else:
        shape = choose(SHAPES[1:] if domain == "axis" else SHAPES)
        other = choose([each for each in SHAPES if fits(shape, each)])
    dtype = choose(DTYPES)
    kind = {"axis": "real", "matrix": "real"}.get(domain, domain)
    lines = [f"{name} = torch.tensor({filled(each, VALUES[kind], choose)}, dtype=torch.{dtype}, requires_grad=True).reshape({each})"
             for name, each in (("x", shape), ("y", other))]
    return PROLOGUE + "\n".join([
        *lines, f"z = {expression}", "show(z)", "z = z if isinstance(z, torch.Tensor) else z[0]", "s = (z * z.detach().cos()).sum()",
        "g = torch.autograd.grad(s, [x, y], create_graph=True, allow_unused=True)", "for each in g: None if each is None else show(each.detach())",
        "s = sum((each * each.detach().sin()).sum() for each in g if each is not None)",
        "g = torch.autograd.grad(s, [x, y], allow_unused=True)", "for each in g: None if each is None else show(each)"]) + "\n"


def recorded_program(expression: str, domain: str) -> str:
    """The program whose outcome is recorded."""
    return program_of(expression, domain, random.Random(expression).choice)


def fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two shapes broadcast."""
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b)))


def filled(shape: tuple[int, ...], values: Sequence[float], choose: Callable) -> list[float]:
    """A flat list of values, as many as the shape has."""
    count = 1
    for size in shape:
        count *= size
    return [choose(values) for _ in range(count)]
