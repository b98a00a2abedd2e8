"""bin/bench jobs: the jobs package beside libraries that do the same, all on one workload, in real processes."""
