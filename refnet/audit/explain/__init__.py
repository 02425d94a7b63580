"""Why two faces are as alike as the network says: what in the first image carries the similarity to the second."""
