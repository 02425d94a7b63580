"""Faces: from photographs to crops, and from embeddings to similarities."""
