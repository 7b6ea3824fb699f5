"""From graph to loops: expand, decide what lives in memory, place statements, fuse, lay out the workspace."""
