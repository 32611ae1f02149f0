"""Benchmarks of speed, memory and quality. Each one measures a rival in the same run."""
