"""The graph that serves, and what uses it: bytes of an image in, a mask out."""
