"""Columns of texts and tables: pandas, polars, Arrow, lists and files."""
