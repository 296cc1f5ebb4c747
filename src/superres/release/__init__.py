"""From trained to served: the gate, the exported form, the promotion."""
