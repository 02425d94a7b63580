"""The audit of one model as a document: everything refnet can find out about it, in plain values with a schema."""
