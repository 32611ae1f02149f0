"""The SavedModel: graph, export, loading, and the push folder with its versions."""
