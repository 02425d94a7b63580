"""Model files in and out: every dialect of an exporter ends here, in a `Graph`."""
