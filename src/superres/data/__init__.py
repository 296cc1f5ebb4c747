"""From pictures and videos somewhere to aligned LR/HR pairs: one file per station."""
