"""Generated programs of twenty statements: arithmetic, views, in-place updates, hooks, no_grad and detach, and a backward pass at the end."""

import random
from collections.abc import Callable, Sequence

STATEMENTS = 20
RECORDED_SEEDS = range(60)

SHAPES = ((3,), (2, 3), (3, 2), (2, 2), ())
UNARY = (
    "tanh()", "sigmoid()", "abs()", "neg()", "relu()", "clone()", "detach()", "square()", "contiguous()", "sign()",
)
SCALAR = (
    "{a} * 2", "{a} + 1", "3 - {a}", "{a} / 4", "{a} ** 2", "0.5 * {a}", "-{a}", "torch.exp(torch.tanh({a}))", "torch.where({a} > 0, {a}, 2.)",
    "{a}.clamp(-2., 2.)",
)
BINARY = (
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "torch.maximum({a}, {b})", "{a} * {b}.detach()", "torch.stack([{a}, {b}])", "{a} + {b}.mean()",
)
REDUCTIONS = (
    "{a}.sum()", "{a}.mean()", "{a}.max()", "{a}.sum(0)", "{a}.mean(-1)", "{a}.amax(0)", "{a}.max(0).values", "{a}.prod()", "{a}.cumsum(0)",
)
VIEWS = (
    "{a}[0]", "{a}[1:]", "{a}[..., 0]", "{a}[None]", "{a}[-1]", "{a}.t()", "{a}.view(-1)", "{a}.reshape(-1)", "{a}.flatten()", "{a}.unsqueeze(0)",
    "{a}.squeeze()", "{a}.transpose(0, -1)", "{a}.expand(2, *{a}.shape)", "{a}.view_as({a})", "{a}.narrow(0, 0, 1)", "{a}.detach()",
    "{a}.select(0, 0)", "{a}.diagonal()", "{a}.T",
)
UPDATES = (
    "{a}.mul_(2)", "{a}.add_(1)", "{a}.zero_()", "{a}.fill_(3.)", "{a}.neg_()", "{a}.tanh_()", "{a}.abs_()", "{a}.add_({b})", "{a}.mul_({b})",
    "{a}.copy_({b})", "{a}.sub_({b}, alpha=2)", "{a} += 1", "{a} *= {b}", "{a} -= {b}", "{a}[0] = 1.", "{a}[0] = {b}.sum()", "{a}[1:] = 0.",
    "{a}[..., 0] *= 2", "{a}.relu_()", "{a}.sigmoid_()", "{a}.clamp_(-1., 1.)", "{a}.data.mul_(2)", "{a}.detach().add_(1)",
)
HOOKS = (
    "handle = None if {a}._is_view() else {a}.register_hook(lambda g: print('hook', g))",
    "handle = None if {a}._is_view() else {a}.register_hook(lambda g: 2 * g)", "{a}.retain_grad()", "{a} = {a}.detach().clone().requires_grad_()",
    "{a}.detach_()", "handle = None if {a}._is_view() else {a}.register_post_accumulate_grad_hook(lambda t: print('accumulated', t.grad))",
)

PROLOGUE = """\
def show(t):
    f = t.grad_fn
    print(t, t._version, t.is_leaf, t._is_view(), tuple(t.shape), [s for n, s in zip(t.shape, t.stride()) if n > 1])
    print(f and f.name(), f and [g and g.name() for g, _ in f.next_functions])
x = torch.tensor([[1., -2., 3.], [0.5, 4., -1.]], requires_grad=True)
w = torch.tensor([2., -1., 0.5], requires_grad=True)
c = torch.tensor([[1., 2., 0.], [3., -1., 1.]])
"""
KINDS = (("unary", 3), ("scalar", 3), ("binary", 4), ("reduction", 2), ("view", 5), ("update", 6), ("hook", 2), ("no_grad", 2))


def program_of_seed(seed: int) -> str:
    """The program of a seed, the same in every version of Python."""
    return program(random.Random(seed).choice)


def program(choose: Callable[[Sequence], object], without: tuple[str, ...] = ()) -> str:
    """A program whose every free decision is made by ``choose(options)``; ``without`` kinds of statements, or those that contain a text."""
    lines = []
    names = ["x", "w", "c"]
    kinds = [kind for kind, weight in KINDS for _ in range(weight) if kind not in without]
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
        inner = choose(UPDATES + tuple(f"{new} = {view}" for view in VIEWS[:8]) + tuple(f"{new} = {each}" for each in BINARY)).format(a=a, b=b)
        lines = ["with torch.no_grad():\n    " + inner]
        made = new if inner.startswith(f"{new} =") else a
    elif kind in ("update", "hook"):
        lines, made = [choose(UPDATES if kind == "update" else HOOKS).format(a=a, b=b)], a
    else:
        table = {"unary": [f"{{a}}.{each}" for each in UNARY], "scalar": SCALAR, "binary": BINARY, "reduction": REDUCTIONS, "view": VIEWS}[kind]
        lines, made = [f"{new} = {choose(table).format(a=a, b=b)}"], new
    if made == new:
        names.append(new)
    return [*lines, f"show({made})"]
