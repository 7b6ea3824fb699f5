"""Generated programs of twenty statements: arithmetic of several dtypes, views of views, in-place updates, indices, hooks, no_grad, detach, Functions,
gradients of gradients, printing, and a backward pass at the end."""

import random
from collections.abc import Callable, Sequence

STATEMENTS = 20
RECORDED_SEEDS = range(100)

UNARY = (
    "tanh()", "sigmoid()", "abs()", "neg()", "relu()", "clone()", "detach()", "square()", "contiguous()", "sign()", "exp()", "sin()", "sqrt()", "log()",
    "reciprocal()", "floor()", "logical_not()", "isnan()", "softmax(-1)", "log_softmax(0)", "clamp(min=0.)", "flip(0)", "roll(1)", "tril()",
)
SCALAR = (
    "{a} * 2", "{a} + 1", "3 - {a}", "{a} / 4", "{a} ** 2", "0.5 * {a}", "-{a}", "torch.exp(torch.tanh({a}))", "torch.where({a} > 0, {a}, 2.)",
    "{a}.clamp(-2., 2.)", "2 / {a}", "{a} // 2", "{a} % 3", "{a} > 0", "{a} == 1", "2 ** {a}", "{a} ** 3", "{a} ** 0.5", "{a}.masked_fill({a} > 1, 7.)",
    "torch.zeros_like({a})", "{a}.new_ones(2)", "torch.full_like({a}, 2)",
)
BINARY = (
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "torch.maximum({a}, {b})", "{a} * {b}.detach()", "torch.stack([{a}, {b}])", "{a} + {b}.mean()", "{a} / {b}",
    "{a} @ {b}", "torch.cat([{a}, {b}])", "torch.cat([{a}, {b}], -1)", "torch.where({a} > {b}, {a}, {b})", "{a} < {b}", "torch.atan2({a}, {b})",
    "{a}.mul({b})", "torch.add({a}, {b}, alpha=2)", "{a} @ {b}.t()", "torch.einsum('i...,i...->...', {a}, {b})", "{a}.expand_as({b})",
)
REDUCTIONS = (
    "{a}.sum()", "{a}.mean()", "{a}.max()", "{a}.sum(0)", "{a}.mean(-1)", "{a}.amax(0)", "{a}.max(0).values", "{a}.prod()", "{a}.cumsum(0)", "{a}.min()",
    "{a}.sum(-1, keepdim=True)", "{a}.mean(0, True)", "{a}.sum((0, 1))", "{a}.max(-1, keepdim=True)[0]", "{a}.argmax()", "{a}.argmin(0)", "{a}.std()",
    "{a}.var(0)", "{a}.norm()", "{a}.norm(dim=-1)", "{a}.logsumexp(0)", "{a}.amin()", "{a}.any()", "{a}.all(0)", "{a}.prod(0)", "{a}.cumprod(-1)",
    "{a}.median()", "{a}.sort(-1).values", "{a}.topk(1).values", "{a}.min(0).indices", "{a}.sum(dtype=torch.float64)", "{a}.nansum()",
)
VIEWS = (
    "{a}[0]", "{a}[1:]", "{a}[..., 0]", "{a}[None]", "{a}[-1]", "{a}.t()", "{a}.view(-1)", "{a}.reshape(-1)", "{a}.flatten()", "{a}.unsqueeze(0)",
    "{a}.squeeze()", "{a}.transpose(0, -1)", "{a}.expand(2, *{a}.shape)", "{a}.view_as({a})", "{a}.narrow(0, 0, 1)", "{a}.detach()",
    "{a}.select(0, 0)", "{a}.diagonal()", "{a}.T", "{a}[::2]", "{a}[:, 1:]", "{a}[...]", "{a}.permute(-1, 0)", "{a}.movedim(0, -1)", "{a}.unsqueeze(-1)",
    "{a}.reshape(3, 2)", "{a}.squeeze(0)", "{a}.ravel()", "{a}.chunk(2)[0]", "{a}.split(1)[-1]",
    "{a}.unbind(0)[0]", "{a}.chunk(2, -1)[-1]", "{a}.unbind(-1)[0]", "{a}.split([1, {a}.shape[0] - 1])[1]", "{a}[0:1].expand(2, *{a}.shape[1:])",
    "{a}.swapaxes(0, -1)", "{a}.mT", "{a}.broadcast_to((2, *{a}.shape))", "{a}[:, None]",
)
DTYPES = (
    "{a}.double()", "{a}.float()", "{a}.long()", "{a}.bool()", "{a}.to(torch.float64)", "{a}.type_as({b})", "{a}.to({b}.dtype)", "{a} + i", "{a} * d[0]",
    "{a} * True", "{a} + m", "i * 2", "i / 2", "m & m", "d * d.shape[0]", "{a}.int()", "i.float().requires_grad_()", "{a}.to(torch.float32, copy=True)",
)
INDEXED = (
    "{a}[i]", "{a}[m]", "{a}[[0, -1]]", "{a}[{a} > 0]", "{a}.index_select(0, torch.tensor([0, 0]))", "{a}[..., i]", "{a}[:, [0, 1]]", "{a}[i, 0]",
    "{a}.gather(0, torch.zeros({a}.shape, dtype=torch.int64))", "{a}.masked_select({a} > 1)", "{a}.take(torch.tensor([0]))", "{a}[i > 0]",
    "{a}.index_add(0, torch.tensor([0]), {a}[:1])", "{a}.scatter(0, torch.zeros({a}.shape, dtype=torch.int64), 2.)", "{a}[torch.tensor(0)]",
)
FUNCTIONS = ("Double.apply({a})", "Product.apply({a}, {b})", "Parts.apply({a})[1]", "Parts.apply({a})[0]", "Same.apply({a})", "Halved.apply({a})")
UPDATES = (
    "{a}.mul_(2)", "{a}.add_(1)", "{a}.zero_()", "{a}.fill_(3.)", "{a}.neg_()", "{a}.tanh_()", "{a}.abs_()", "{a}.add_({b})", "{a}.mul_({b})",
    "{a}.copy_({b})", "{a}.sub_({b}, alpha=2)", "{a} += 1", "{a} *= {b}", "{a} -= {b}", "{a}[0] = 1.", "{a}[0] = {b}.sum()", "{a}[1:] = 0.",
    "{a}[..., 0] *= 2", "{a}.relu_()", "{a}.sigmoid_()", "{a}.clamp_(-1., 1.)", "{a}.data.mul_(2)", "{a}.detach().add_(1)", "{a} /= 2", "{a}.div_({b})",
    "{a}[i] = 1.", "{a}[{a} > 0] = 0.", "{a}[...] = {b}", "{a}[..., 0] = {b}.sum()", "{a}[[0]] = 5.", "{a}.masked_fill_({a} > 0, 1.)", "{a}[0] += {b}.mean()",
    "{a}.index_fill_(0, torch.tensor([0]), 2.)", "{a}.view(-1)[0] = 3.", "{a}.t_()", "{a}.squeeze_()", "{a}.unsqueeze_(0)", "{a}.exp_()", "{a}.pow_(2)",
    "{a}.lerp_({b}, 0.5)", "{a}.addcmul_({b}, {b})", "{a}[m] = 2", "{a}.copy_({b}[0])", "{a}[0].copy_({b})", "{a}[0][0] = {b}[0]", "{a}[1:][0] *= 3",
    "{a}.chunk(2)[0].mul_(2)", "{a}.unbind(0)[0].add_(1)", "{a}.expand(2, *{a}.shape).add_(1)", "{a}.transpose(0, -1).mul_(2)", "Overwrite.apply({a})",
    "{a}.diagonal().zero_()", "{a}.flatten()[1:].neg_()", "{a} //= 2", "{a}.round_()", "{a}.cumsum_(0)", "{a}[:] = {a}.flip(0)",
    "{a}.index_put_((torch.tensor([0]),), torch.tensor(1.))", "{a}.tril_()",
)
HOOKS = (  # PyTorch crashes where a hook is registered on a view whose base was overwritten
    "handle = None if {a}._is_view() else {a}.register_hook(lambda g: print('hook', g))", "{a}.retain_grad()",
    "handle = None if {a}._is_view() else {a}.register_hook(lambda g: 2 * g)", "{a}.retain_grad()",
    "{a} = {a}.detach().clone().requires_grad_()", "{a}.detach_()",
    "handle = None if {a}._is_view() else {a}.register_post_accumulate_grad_hook(lambda t: print('accumulated', t.grad))",
    "handle = {a}.grad_fn.register_hook(lambda i, o: print(i, o))", "handle = {a}.grad_fn.register_prehook(lambda o: print(o))", "{a}.requires_grad_()",
    "{a}.requires_grad_(False)", "{a}.requires_grad = True", "handle.remove()",
)
GRADIENTS = (
    "torch.autograd.grad({a}.sum(), {b}, allow_unused=True, retain_graph=True)", "torch.autograd.grad({a}.sum(), [x, w], allow_unused=True)",
    "{new}, = torch.autograd.grad(({a} * {a}).sum(), x, create_graph=True, materialize_grads=True)", "{a}.sum().backward(retain_graph=True)", "{a}.backward()",
    "{new}, = torch.autograd.grad({a}.mean(), w, create_graph=True, materialize_grads=True)", "x.grad", "w.grad", "{a}.grad", "x.grad = None",
    "x.grad.zero_()", "{a}.backward(torch.ones({a}.shape), retain_graph=True)", "({a} ** 2).sum().backward(inputs=[x], retain_graph=True)",
    "torch.autograd.grad({a}, {b}, torch.ones_like({a}), retain_graph=True)",
    "{new}, = torch.autograd.grad({a}.prod(), {b}, create_graph=True, materialize_grads=True)",
    "({a} * {b}).mean().backward()", "x.grad.mul_(2)", "{new} = x if x.grad is None else x.grad",
    "torch.autograd.backward([{a}.sum(), {b}.sum()], retain_graph=True)",
)
PRINTED = (
    "print({a} * 1e6, {a} / 1e5)", "{a}.shape, {a}.dtype", "print(f'{{{a}}}', {a}.shape, {a}.dtype)", "{a}.item()", "bool({a})", "len({a})", "float({a})",
    "{a}.numpy()", "{a}.requires_grad, {a}.is_leaf, {a}._version, {a}.output_nr", "{a}.grad_fn and sorted(n for n in dir({a}.grad_fn) if n[:7] == '_saved_')",
    "{a}.is_contiguous(), {a}.stride(), {a}.storage_offset(), {a}.numel(), {a}.dim()", "repr({a}.size()), {a}.element_size()", "print({a}.data)",
    "{a}._base is None, {a}.grad_fn is None", "print({a}.expand(2, *{a}.shape))", "{a} in {b}", "list({a})", "{a}.grad_fn.next_functions[0][0].name()",
)

PROLOGUE = """\
def show(t):
    f = t.grad_fn
    print(t, t._version, t.is_leaf, t._is_view(), tuple(t.shape), [s for n, s in zip(t.shape, t.stride()) if n > 1])
    print(f and f.name(), f and [g and g.name() for g, _ in f.next_functions])
class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    def backward(ctx, g):
        return g * 2
class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y
    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * y, g * x
class Parts(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x + 1, x.sum()
    @staticmethod
    def backward(ctx, g, s):
        return g + s
class Same(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)
    @staticmethod
    def backward(ctx, g):
        return g
class Halved(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x / 2
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.set_materialize_grads(False)
    @staticmethod
    def backward(ctx, g):
        return g / 2
class Overwrite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(3)
    @staticmethod
    def backward(ctx, g):
        return g * 3
x = torch.tensor([[1., -2., 3.], [0.5, 4., -1.]], requires_grad=True)
w = torch.tensor([2., -1., 0.5], requires_grad=True)
c = torch.tensor([[1., 2., 0.], [3., -1., 1.]])
d = torch.tensor([0.5, -1.5], dtype=torch.float64, requires_grad=True)
i = torch.tensor([1, 0, 1])
m = torch.tensor([[True, False, True], [False, True, False]])
handle = None
"""
KINDS = {"unary": 3, "scalar": 3, "binary": 5, "reduction": 3, "view": 7, "update": 8, "hook": 3, "no_grad": 2, "dtype": 2, "indexed": 2, "function": 2,
         "gradient": 3, "printed": 1}
MADE = {"unary": tuple([f"{{a}}.{each}" for each in UNARY]), "scalar": SCALAR, "binary": BINARY, "reduction": REDUCTIONS, "view": VIEWS, "dtype": DTYPES,
        "indexed": INDEXED, "function": FUNCTIONS}
DONE = {"update": UPDATES, "hook": HOOKS, "gradient": GRADIENTS, "printed": PRINTED}


def program_of_seed(seed: int) -> str:
    """The program of a seed, the same in every version of Python."""
    return program(random.Random(seed).choice)


def program(choose: Callable[[Sequence], object], without: tuple[str, ...] = ()) -> str:
    """A program whose every free decision is made by ``choose(options)``; ``without`` kinds of statements, or those that contain a text."""
    lines = []
    names = ["x", "w", "c"]
    kinds = [kind for kind, weight in KINDS.items() for _ in range(weight) if kind not in without]
    for number in range(STATEMENTS):
        lines += statement(choose(kinds), f"v{number}", names, lambda options: choose([each for each in options if not any(text in each for text in without)]))
    floats = " + ".join(f"{name}.sum()" for name in names)
    lines += [f"loss = {floats}", "show(loss)", "loss.backward(retain_graph=True)", "loss.backward()",
              f"[t.grad for t in ({', '.join(names)}) if t.is_leaf or t.retains_grad]"]
    return PROLOGUE + "\n".join(lines) + "\n"


def statement(kind: str, new: str, names: list[str], choose: Callable) -> list[str]:
    """One statement and the line that shows what it made."""
    a, b = choose(names[-6:]), choose(names)
    if kind == "no_grad":
        updates = [each for each in UPDATES if "squeeze_" not in each and "t_()" not in each]  # gradients of another shape than their tensors
        inner = choose((*updates, *[f"{new} = {each}" for each in (*VIEWS, *BINARY, *INDEXED)])).format(a=a, b=b, new=new)
        lines = ["with torch.no_grad():\n    " + inner]
    else:
        inner = choose(DONE[kind]).format(a=a, b=b, new=new) if kind in DONE else f"{new} = {choose(MADE[kind]).format(a=a, b=b)}"
        lines = [inner]
    made = new if inner.startswith((f"{new} =", f"{new}, =")) else a
    if made == new:
        names.append(new)
        lines.insert(0, f"{new} = {a}")  # what it stays if the statement fails
    return [*lines, f"show({made})"]
