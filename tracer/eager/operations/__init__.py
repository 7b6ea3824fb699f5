"""The operations on tensors, a family a file; ``FUNCTIONS`` has all of them by name. Importing a family gives tensors its methods."""

import inspect

from . import (
    activations,
    added_products,
    arithmetic,
    assigning,
    basics,
    by_index,
    choices,
    comparisons,
    contraction,
    covariances,
    creation,
    cumulative,
    decompositions,
    determinants,
    differences,
    elementwise,
    extremes,
    filling,
    gathering,
    grids,
    index_reduce,
    indexing,
    joining,
    least_squares,
    legacy,
    masked,
    matrix_norms,
    memory,
    norms,
    numeric,
    ordering,
    pairwise,
    parts,
    powers,
    products,
    random,
    random_fills,
    rearranging,
    reductions,
    replacing,
    shaping,
    slicing,
    slopes,
    solving,
    splitting,
    stacking,
    steps,
    tensor_products,
    triangles,
    units,
    vector_products,
)

_FAMILIES = (arithmetic, elementwise, choices, powers, comparisons, pairwise, steps, shaping, slicing, splitting, joining, reductions, extremes,
             cumulative, rearranging, triangles, stacking, grids, differences, slopes, covariances, gathering, index_reduce, filling, by_index, masked,
             replacing, numeric, norms, ordering, products, added_products, tensor_products, contraction, vector_products, solving, determinants,
             decompositions, matrix_norms, least_squares, parts, activations, units, basics, creation, memory, random, random_fills, legacy)
FUNCTIONS = {name: function for family in _FAMILIES for name, function in family.FUNCTIONS.items()}
for _function in FUNCTIONS.values():
    if inspect.isfunction(_function):
        _function.__qualname__ = _function.__name__.rstrip("_")  # which Python's own messages have

__all__ = ["FUNCTIONS", "assigning", "indexing", "legacy", "random"]
