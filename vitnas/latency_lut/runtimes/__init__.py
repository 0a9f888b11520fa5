"""How each runtime gets its graph and runs it; one file a runtime."""
