"""Image and mask files: reading their formats, and the form in which pixels are stored."""
