"""The audit's report: everything that is known of a model in one document, and the page that shows it."""
