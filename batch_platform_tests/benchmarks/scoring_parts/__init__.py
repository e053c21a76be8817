"""The parts of the scoring benchmark; its door is `batch_platform_tests/benchmarks/scoring.py`."""
