"""Tokenizers: reading their files, calling them, encodings, padding, decoding."""
