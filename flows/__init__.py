"""Prefect flows over the pipeline; `dvc repro` alone does the same without any server."""
