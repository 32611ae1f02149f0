"""The TFX components of the pipeline, and the code that runs inside the components."""
