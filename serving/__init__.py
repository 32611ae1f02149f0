"""The served model and what uses it: from the bytes of an image to its mask."""
