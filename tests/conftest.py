"""For every test: the settings that a user's commands have."""

import pipeline  # noqa: F401, first: it sets what TensorFlow reads when it is loaded
