"""Everything at once on this machine: API server, store, S3 server, operator, uploader and a recorder."""
