"""Masks that may be wrong, what a person says about them, and images to label next."""
