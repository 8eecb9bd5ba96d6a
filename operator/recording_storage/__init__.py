"""External S3 storage of call and video recordings for Kubernetes."""

__version__ = "0.1.0"
