"""A model over test sets: figures under a stated protocol, and what it costs.

What is measured is the served `Upscaler`, with the same tiles and backend.
"""

from superres.evaluation.efficiency import milliseconds
from superres.evaluation.meters import EXTRA, Meters, open_meters
from superres.evaluation.pairs import Pair, folder_pairs, packed_pairs
from superres.evaluation.protocol import Protocol, read_protocol
from superres.evaluation.rows import METRICS, Row, evaluate, means
from superres.evaluation.sets import find_set

__all__ = [
    "EXTRA",
    "METRICS",
    "Meters",
    "Pair",
    "Protocol",
    "Row",
    "evaluate",
    "find_set",
    "folder_pairs",
    "means",
    "milliseconds",
    "open_meters",
    "packed_pairs",
    "read_protocol",
]
