"""The version of this code; `pyproject.toml` and the headings of the changelog agree with it."""

VERSION = "0.1.0"
