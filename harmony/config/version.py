"""The version of this code; `pyproject.toml` and the headings of the changelog agree with it."""

VERSION = "1.0.0"
