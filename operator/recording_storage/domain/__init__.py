"""The rules of the field, pure: nothing here does I/O or imports more than the standard library."""
