"""Search: more ways to carry out the plan's schemes, tried on the calibration rows; the best are judged.

The plan's outcomes -> the space of recipes -> trials (Optuna proposes, the journal remembers) -> their front
-> more outcomes.
"""
