"""The low-level S3 client: signing, TLS, the address guard, errors translated at the border, the verify sequence."""
