"""Accuracy on labelled pairs: two published protocols to the last constant, and rates with intervals."""
