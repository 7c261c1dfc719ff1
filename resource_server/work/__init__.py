"""Work that is done later, once: jobs that commit with the change that asks for them, run by leased workers, over any queue.

A service hangs in its own tables (`work.tables`), enqueues within its transactions (`work.jobs`) and says who does what (`work.kinds`).
"""
