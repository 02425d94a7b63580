"""The local explorer: one page, served on this machine and to this machine only."""
