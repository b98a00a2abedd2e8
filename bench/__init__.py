"""Measures the whole hub from outside: real processes, real HTTP, the sandbox on the other side."""
