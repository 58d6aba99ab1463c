"""Configurations, weights, heads and models."""
