"""A blessed model becomes a version that a server finds."""
