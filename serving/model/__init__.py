"""The SavedModel: its graph, export and loading, and the push folder that holds its versions."""
