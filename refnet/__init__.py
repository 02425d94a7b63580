"""The ArcFace ResNet100 face-recognition network, rebuilt in NumPy."""
