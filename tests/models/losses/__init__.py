"""The references of one loss a file: `exact` in mpmath, `reference` in torch, and the VARIANTS of its parameters that are tried."""
