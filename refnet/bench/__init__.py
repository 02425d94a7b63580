"""How fast the fast engine is on this machine: beside other runtimes, and beside what the machine can do."""
