"""This library beside its peers in one run: `python -m benchmarks SECTION`, or each section's file by itself."""
