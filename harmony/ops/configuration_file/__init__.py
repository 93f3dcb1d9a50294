"""Configuration as code: a YAML file with the settings of an installation, without its secrets."""
