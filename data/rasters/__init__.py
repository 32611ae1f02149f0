"""Image and mask files: their formats, and their pixels as the pipeline stores them."""
