"""Small operations in PyTorch's names, on vectors and matrices of three: what programs of small tensors consist of."""

import math

OPERATIONS = tuple(each.strip() for each in """
    x * w; x + 1; x / w; x - w; -x; x ** 2; x.exp(); x.sin(); x.tanh(); x.sigmoid(); x.relu(); x.abs(); (x * x + 1).sqrt(); (x * x + 1).log();
    torch.where(x > 0, x, w); torch.maximum(x, w); x.clamp(-0.5, 0.5); x.masked_fill(x > 0, 0.0); x.sum(); x.mean(); x.max(); x.max(0).values; x.prod();
    x.var(); x.std(); x.norm(); x.cumsum(0); x.logsumexp(0); x.softmax(0); x.log_softmax(0); m.sum(0); m.sum(-1, keepdim=True); x[1]; x[:2]; x[i];
    x.view(3, 1); x.reshape(1, 3); x.unsqueeze(0); m.t(); m.permute(1, 0); m.diagonal(); x.expand(2, 3); x.split(1)[0]; m @ x; m @ m; x @ w;
    torch.outer(x, w); torch.stack([x, w]); torch.cat([x, w]); x.clone().mul_(2); x.clone().add_(w); x.sort().values; x.gather(0, i); x.index_select(0, i);
    x.flip(0); x.roll(1); m.tril(); torch.linalg.solve(m, x); torch.linalg.det(m); torch.linalg.inv(m); torch.einsum('ij,j->i', m, x)
""".split(";"))


def calls(torch, backward: bool) -> dict:
    """A function for each operation: the recorded operation, and its backward from a gradient of ones."""
    names = {"torch": torch, "i": torch.tensor([0, 2, 1])}
    for name, values in {"x": [0.5, -1.0, 2.0], "w": [1.0, 2.0, 3.0], "m": [[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.2, 0.1, 2.0]]}.items():
        names[name] = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    leaves = names["x"], names["w"], names["m"]

    def made(operation):
        record = eval(f"lambda: {operation}", names)
        if not backward:
            return record
        ones = torch.ones_like(record().detach())

        def round_trip():
            for leaf in leaves:
                leaf.grad = None
            record().backward(ones)
            return leaves
        return round_trip
    return {operation: made(operation) for operation in OPERATIONS}


def geometric_mean(values) -> float:
    """Of positive numbers."""
    values = list(values)
    return math.exp(math.fsum(map(math.log, values)) / len(values))
