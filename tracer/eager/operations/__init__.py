"""The operations on tensors, a family a file; ``FUNCTIONS`` has all of them by name. Importing a family gives tensors its methods."""

from . import (
    activations,
    arithmetic,
    basics,
    by_index,
    choices,
    comparisons,
    contraction,
    creation,
    cumulative,
    decompositions,
    determinants,
    differences,
    elementwise,
    extremes,
    gathering,
    grids,
    joining,
    legacy,
    masked,
    matrix_norms,
    norms,
    numeric,
    ordering,
    pairwise,
    powers,
    products,
    random,
    rearranging,
    reductions,
    replacing,
    shaping,
    slicing,
    solving,
    splitting,
    stacking,
    steps,
    triangles,
    vector_products,
)

_FAMILIES = (arithmetic, elementwise, choices, powers, comparisons, pairwise, steps, shaping, slicing, splitting, joining, reductions, extremes,
             cumulative, rearranging, triangles, stacking, grids, differences, gathering, by_index, masked, replacing, numeric, norms, ordering, products,
             contraction, vector_products, solving, determinants, decompositions, matrix_norms, activations, basics, creation, random, legacy)
FUNCTIONS = {name: function for family in _FAMILIES for name, function in family.FUNCTIONS.items()}

__all__ = ["FUNCTIONS", "legacy", "random"]
