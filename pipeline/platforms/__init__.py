"""The platforms that run the pipeline, and the pipeline nodes that differ between platforms."""
