"""The document as one HTML page that needs nothing but a browser: no network, no server, no file beside it."""
