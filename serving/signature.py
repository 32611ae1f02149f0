"""Names of the signature `serving_default`, its input and its outputs."""

SIGNATURE = "serving_default"
IMAGES = "image_bytes"
MASKS, CLASS_FRACTION, CONFIDENCE = "mask_png_bytes", "class_fraction", "confidence"
"""Names of the signature's input and outputs."""
