"""`refnet models`: what there is, where it lies, how to get it, whether it is right."""
