"""The application: a project's campaigns, checked, planned, run and reported.

The only package that knows the order of the stages. It prints nothing and asks nobody: it returns
data, or raises a `CallsheetError`. The public names stand in `pipeline`.
"""
