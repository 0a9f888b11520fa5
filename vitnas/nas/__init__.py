"""The search: from scores and costs of architectures to a Pareto front."""
