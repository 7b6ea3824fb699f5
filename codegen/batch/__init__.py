"""Batches: one sample in each SIMD lane, or a loop over samples; threads over ranges of them."""
