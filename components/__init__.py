"""TFX components, and the code that runs inside them."""
