"""The audit: what a model is, and whether its numbers are right."""
