"""The pipeline's TFX components and the code that they run."""
