"""What an evaluation comes to: tables, intervals and tests, pictures side by side, plots."""
