"""What clipig costs: `python -m benchmarks` measures it and prints tables."""
