"""Weights on the disk: checkpoints, exports, published networks."""
