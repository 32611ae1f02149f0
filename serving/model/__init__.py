"""The SavedModel: its graph, how it is loaded, and the folder of pushed versions."""
