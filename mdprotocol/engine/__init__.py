"""The engine: batches of runs and probes in, one dataset a run out. The only part that imports torch.

`tasks` (free of torch) has what executors run, `batch` and `probe` one task each, `loop` the stepping, `guards` what ends
a run early, `recording` and `labels` what is kept, `journal` how it gets to disk and back, `writing` how it becomes the
runs' files, `stopping` what a signal does, `events` (free of torch) what happens meanwhile.
"""
