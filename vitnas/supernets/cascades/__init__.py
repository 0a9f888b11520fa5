"""Cascades as networks: parts that run one after the other, and rules that say when an answer is sure."""
