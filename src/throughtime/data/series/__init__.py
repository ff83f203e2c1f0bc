"""Series: numbers over time, of any regular frequency, with steps that are missing and with covariates."""
