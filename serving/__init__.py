"""The served model, its clients and its local server: from an image's bytes to its mask."""
