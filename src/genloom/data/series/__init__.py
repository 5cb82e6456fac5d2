"""Time series: a table of rows becomes windows. A data set of another origin gives a panel of rows
(:mod:`genloom.data.series.panel`), or derives from ``InMemoryData`` (:mod:`genloom.data.base`).
"""
