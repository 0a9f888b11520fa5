"""What `import vitnas` offers: one function for each thing that a command does, with the same guesses and checks."""
