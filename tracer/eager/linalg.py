"""``torch.linalg``."""

from .given import with_out
from .operations.decompositions import cholesky, cholesky_ex, eigh, eigvalsh, matrix_rank, pinv, qr, svd, svdvals
from .operations.determinants import det
from .operations.determinants import linalg_slogdet as slogdet
from .operations.least_squares import cond, inv_ex, lstsq, matrix_exp, solve_ex, tensorinv, tensorsolve, vander
from .operations.matrix_norms import linalg_norm as norm
from .operations.matrix_norms import matrix_norm
from .operations.norms import vector_norm
from .operations.products import matmul
from .operations.slicing import diagonal as _diagonal
from .operations.solving import LinAlgError, inv, matrix_power, solve, solve_triangular
from .operations.tensor_products import multi_dot
from .operations.vector_products import cross, vecdot
from .tensor import Tensor


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the last two axes."""
    return _diagonal(A, offset, dim1, dim2)


for _name in ("cholesky", "cholesky_ex", "cond", "cross", "det", "eigh", "eigvalsh", "inv", "inv_ex", "lstsq", "matmul", "matrix_norm", "matrix_power",
              "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv",
              "tensorsolve", "vecdot", "vector_norm"):
    globals()[_name] = with_out(globals()[_name], f"linalg_{_name}")

__all__ = ["LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "inv_ex", "lstsq", "matmul",
           "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular",
           "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm"]
