"""Cascades as files: a part each arch, a rule that says when one is sure, and a runner."""
