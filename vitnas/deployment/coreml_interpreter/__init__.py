"""Core ML programs evaluated with PyTorch, so that a package can be checked where no Mac is.

What is read is the package on the disk. Weights count as they are stored, in half precision or compressed; arithmetic is that of
fp32, except that an image on whose way a value is too large for half precision gets an infinite answer.
"""

from vitnas.deployment.coreml_interpreter.program import MilProgram

__all__ = ["MilProgram"]
