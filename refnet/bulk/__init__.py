"""Many photographs to embeddings: sources, a pipeline that overlaps its stages, a ledger that survives, outputs."""
