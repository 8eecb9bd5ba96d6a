"""The messages of the internal API, `/internal/v1`, between the settings store, the uploaders and the operator.

Each is published as JSON Schema at `/internal/v1/schemas`. Within a major version fields are only added, with a
default; unknown ones are ignored, so two minor versions of skew work in both directions.
"""
