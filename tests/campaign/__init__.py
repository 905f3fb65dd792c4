"""Attacks on everything that comes from outside, by chance: `python -m tests.campaign`.

A case is a function that returns what is wrong, or nothing. Each part makes cases from a seed for its share of the
time, in a process of its own; the table says how many there were, and the worst time and memory. An exception that is
not one of clipig's is a defect, as is whatever a case looks for.
"""
