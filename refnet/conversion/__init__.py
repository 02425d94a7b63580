"""One model file into another: `convert` reads, transforms and writes; what is changed is said."""
