"""The drill: the whole chain from a report to a phone that is acknowledged, for one person, who presses.

    making.py       the person's own drill service in PagerDuty, made after asking
    drilling.py     a drill from top to bottom, as durable work
    planning.py     drills that start by themselves every week
    models.py       DrillService, DrillPlan and Drill: no incident, so in no figure and no list
    findings.py     what the doctor says of the last ones; checks.py finds it

docs/decisions/0007-the-drill.md says why it is so.
"""
