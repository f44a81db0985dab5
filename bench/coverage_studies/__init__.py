"""What `bench.coverage` simulates: studies with a known truth, one file for each chapter of `stats`."""
