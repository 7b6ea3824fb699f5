"""``torch.linalg``."""

from .given import with_out
from .operations.decompositions import cholesky, eigh, eigvalsh, matrix_rank, pinv, qr, svd, svdvals
from .operations.determinants import det
from .operations.determinants import linalg_slogdet as slogdet
from .operations.matrix_norms import linalg_norm as norm
from .operations.matrix_norms import matrix_norm
from .operations.norms import vector_norm
from .operations.products import matmul, multi_dot
from .operations.slicing import diagonal as _diagonal
from .operations.solving import LinAlgError, inv, matrix_power, solve, solve_triangular
from .operations.vector_products import cross, vecdot
from .tensor import Tensor


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the last two axes."""
    return _diagonal(A, offset, dim1, dim2)


for _name in ("cholesky", "cross", "det", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr",
              "slogdet", "solve", "solve_triangular", "svd", "svdvals", "vecdot", "vector_norm"):
    globals()[_name] = with_out(globals()[_name], f"linalg_{_name}")

__all__ = ["LinAlgError", "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power", "matrix_rank",
           "multi_dot", "norm",
           "pinv", "qr", "slogdet", "solve", "solve_triangular", "svd", "svdvals", "vecdot", "vector_norm"]
