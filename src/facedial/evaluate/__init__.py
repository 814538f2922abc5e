"""Metrics of a model and its baselines, on people it has not seen; every published figure.

Each module without a leading underscore is a metric: `measure(context)` yields rows and
`show(context)`, where there is one, titled pictures for the report. A new file is a new metric.
"""
