"""The expression DAG: array types, hash-consed nodes, graphs, their checks and their texts."""
