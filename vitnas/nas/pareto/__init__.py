"""The Pareto front: its points, what of it can be told apart, and which point to take."""
