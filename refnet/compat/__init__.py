"""Interfaces that people already know, so that one changed import puts an existing program on refnet.

`refnet.compat.onnxruntime` has the shape of onnxruntime's `InferenceSession`, `refnet.compat.insightface` that of
insightface's `ArcFaceONNX`. What a program may ask for is served or refused in a sentence; docs/compat.md says what
is the same and what is not.
"""
