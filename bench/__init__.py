"""Side-by-side measurements; run by `make bench`, never by tests: absolute times mean nothing on another machine."""
