"""What PyTorch says of ``out=`` tensors that it does not take: of their dtype, and of gradients."""

from __future__ import annotations

# Where the dtype has to be that of the result. {out} and {made}: the dtypes as ``Float``; {out_c} and {made_c}: as ``float``.
SAME = {
    "Expected out tensor to have dtype {made_c}, but got {out_c} instead":
        "addmm addmv baddbmm bmm mm matmul linalg_matmul linalg_cross cross max min aminmax linear topk gather index_copy index_add sort msort scatter "
        "scatter_add scatter_reduce renorm take_along_dim tril triu norm softmax log_softmax isin linalg_det linalg_cholesky linalg_cholesky_ex "
        "linalg_eigh linalg_eigvalsh linalg_qr linalg_slogdet linalg_vector_norm linalg_inv linalg_inv_ex linalg_solve linalg_svd linalg_svdvals "
        "avg_pool2d avg_pool3d slice_scatter diag argmax argmin",
    "Found dtype {out} but expected {made}":
        "abs absolute ceil frac floor neg negative round sign sgn trunc fix softshrink hardshrink gelu softplus bitwise_not",
    "dtype {made} does not match dtype of out parameter ({out})": "arange linspace logspace randn rand ones zeros full empty eye",
    "expected scalar_type {made} but found {out}": "cummax cummin logcumsumexp",
    "result dtype {out} does not match input dtype {made}": "dot vdot",
    "expected scalar type {made} but found {out}": "logsigmoid linalg_solve_triangular",
    "{name} does not support non-boolean outputs.": "signbit isposinf isneginf",
    "{name}(): self and result must have the same scalar type": "masked_select index_select",
    "{name} only supports bool tensor for result, got: {out}": "all any",
    "Expected the dtype for input and out to match, but got {made} for input's dtype and {out} for out's dtype.": "amax amin",
    "{dotted} expected out tensor dtype {made} but got: {out}": "linalg_norm linalg_matrix_norm",
    "self and mat2 must have the same dtype, but got {out} and {made}": "addbmm",
    "addmv input tensors must have the same dtype, but got {out}, {made}, and {made}": "mv",
    "output values must be of same type as input": "kthvalue",
    "quantile() out tensor must be same dtype as the input tensor": "quantile nanquantile",
    "heaviside is not yet implemented for tensors with different dtypes.": "heaviside",
    "expected scalar type '{made}' but got '{out}' for values output": "mode",
    "nan_to_num: dtype of out: {out} should be same as input: {made}": "nan_to_num",
    "take(): self and out expected to have the same dtype, but got self.dtype = {made} and out.dtype = {out}": "take",
    "torch.histogram: input tensor and hist tensor should have the same dtype, but got input {made_c} and hist {out_c}": "histc",
    "tensordot: Expected the output tensor to have dtype {made}, but got an output tensor with dtype {out}": "inner tensordot",
    "Expected out type to be {made} but got {out}": "where",
    "nonzero: Expected out tensor to have scalar type {made} but got scalar type{out}": "nonzero",
    "linalg.vecdot: Expected out of dtype{made} but found {out}": "linalg_vecdot",
    "multi_dot(): expected out tensor to have dtype {made_c} but got {out_c}": "linalg_multi_dot",
    "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending on whether out_int32 flag is True, but we got "
    "output tensor's dtype {out} and out_int32 flag is {is_narrow}": "searchsorted bucketize",
    "multinomial expects Long tensor out, got: {out}": "multinomial",
}
# Where floats may be of another width, but not integers.
CASTABLE = {
    "Expected canCast( typeMetaToScalarType(self.dtype()), typeMetaToScalarType(out.dtype())) to be true, but got false.  (Could this error message be "
    "improved?  If so, please report an enhancement request to PyTorch.)": "max_of_all min_of_all",
    "{name}: Expected result to be safely castable from {made} dtype, but got result with dtype {out}":
        "cholesky cholesky_solve linalg_matrix_power linalg_tensorinv linalg_tensorsolve",
    "{dotted}: Expected result to be safely castable from {made} dtype, but got result with dtype {out}": "linalg_cond linalg_pinv",
    "ldexp can't be cast to the desired output type {out}": "ldexp",
    "mvlgamma: result type {made} can't be cast to the desired output type {made}": "mvlgamma special_multigammaln",
    "the output given to float_power has dtype {out} but the operation's result requires dtype {made}": "float_power",
    "logsumexp(): Expected floating point type for result tensor, but got: {out}": "logsumexp special_logsumexp",
    "mean.dtype_out(): input types can't be cast to the desired output type {out}": "mean",
    "torch.cat(): input types can't be cast to the desired output type {out}": "cat concat column_stack stack hstack vstack dstack",
}
MADE_ALIKE = set("arange linspace logspace randn rand ones zeros full empty eye".split())  # in the dtype of ``out``, unless another is given
ANY = set("cumsum cumprod bernoulli linalg_matrix_rank".split())
_FLAT = {name: (True, text) for text, names in SAME.items() for name in names.split()} | {
    name: (False, text) for text, names in CASTABLE.items() for name in names.split()}


def dtype_rule(name: str) -> tuple[bool, str]:
    """Whether the dtypes must be the same, or may be cast, and the message where they do not fit. ``name``: of the function in PyTorch's dispatcher."""
    return _FLAT.get(name, (False, "result type {made} can't be cast to the desired output type {out}"))


# The operation that tells of gradients, where it is not the function's own.
TELLS = {"cross": "linalg_cross", "true_divide": "div", "divide": "div", "normalize": "div", "outer": "mul", "ger": "mul",
         "kron": "mul", "multiply": "mul", "subtract": "sub", "negative": "neg", "absolute": "abs", "float_power": "pow", "square": "pow", "diff": "sub",
         "msort": "sort", "take_along_dim": "gather", "norm": "linalg_vector_norm", "nanmean": "nansum", "linalg_vecdot": "vdot",
         "linalg_eigvalsh": "_linalg_eigh",
         "linalg_multi_dot": "mm", "linalg_solve": "_linalg_solve_ex", "linalg_svdvals": "_linalg_svd", "linalg_det": "_linalg_det", "det": "_linalg_det",
         "linalg_eigh": "_linalg_eigh", "linalg_slogdet": "_linalg_slogdet", "slogdet": "_linalg_slogdet", "linalg_svd": "_linalg_svd",
         "linalg_cholesky": "linalg_cholesky_ex", "linalg_inv": "linalg_inv_ex", "inverse": "linalg_inv_ex", "logsigmoid": "log_sigmoid_forward",
         "special_polygamma": "polygamma"} | dict.fromkeys(("column_stack", "hstack", "vstack", "dstack", "concat"), "cat")
SEVERAL = set("aminmax cummax cummin kthvalue linalg_eigh linalg_qr linalg_slogdet linalg_svd mode topk sort median nanmedian slogdet".split())
# Composed of others, and written last: arguments with gradients are no hindrance, only an ``out`` that cannot be updated.
COMPOSED = set("quantile nanquantile inner tensordot linalg_cond linalg_matrix_power linalg_norm linalg_matrix_norm linalg_tensorinv linalg_tensorsolve "
               "special_ndtr".split())
# Without a derivative: an ``out`` that requires grad is told of under this name, arguments that do are no hindrance.
UNDERIVED = {name: f"aten::{name}" for name in "arange linspace logspace ones zeros full eye floor_divide heaviside softmax log_softmax slice_scatter".split()
             } | {"diag": "aten::diag_embed"}
SILENT = set("histc special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1 special_modified_bessel_i0 "
             "special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1 special_scaled_modified_bessel_k0 "
             "special_scaled_modified_bessel_k1 special_spherical_bessel_j0 searchsorted bucketize multinomial nonzero all any argmax argmin isin "
             "logical_and logical_or logical_xor logical_not eq ne lt le gt ge signbit isposinf isneginf linalg_matrix_rank".split())
