"""Durable work: a job is a row, each of its steps is a row, and a step is `running` in the database before its call.

Whatever is killed, the rows say what was under way; the next owner finds out whether it got through before doing
it again. Knows nothing of incidents. Read `workflow.py` (what a workflow is), then `runner.py` (how it is run).
"""
