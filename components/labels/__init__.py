"""Masks that may be wrong: their scores, their regions, and what a person says about them."""
