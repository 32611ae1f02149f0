"""The platforms that run the pipeline, and the nodes that each of them needs."""
