"""The HTTP service without its server: limits, errors, models, threads, jobs, addresses."""
