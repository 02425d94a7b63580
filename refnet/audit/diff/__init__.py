"""Two models side by side: where they differ in structure, in weights, and in what they compute.

Names may differ, the order of nodes may, and the form in which a file writes the same network down: `pairing` finds for
each node its counterpart by what it reads and what it is. What has a counterpart is compared, whatever else differs.
"""
