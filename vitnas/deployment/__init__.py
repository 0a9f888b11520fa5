"""Deployment: subnets leave as files that other tools run, with the numbers checked."""
