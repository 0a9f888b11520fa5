"""The built-in spaces: the choices of their papers, and their published networks."""
