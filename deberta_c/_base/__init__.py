"""Errors, warnings, threads, versions: what every other package may use."""
