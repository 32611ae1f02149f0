"""Whether a model will serve: asked before it is pushed."""
