"""The commands, one file each: thin functions that a notebook could call as well.

Nothing heavy is imported before a command runs.
"""
