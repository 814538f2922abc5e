"""Every figure that facedial states comes from here.

Modules without a leading underscore are metrics: `measure(context)` yields rows, `show(context)`,
where there is one, yields titled pictures for the report. A new file is a new metric.
"""
