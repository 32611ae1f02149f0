"""Makes the model card of a run from the outputs of its steps."""
