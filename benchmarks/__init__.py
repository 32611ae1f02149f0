"""Benchmarks of speed, memory and quality. Most benchmarks also measure a rival in the same run."""
