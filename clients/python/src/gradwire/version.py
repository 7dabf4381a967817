"""Which version of the client this is; the build reads it here."""

__version__ = "0.1.0"
