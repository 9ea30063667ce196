"""Services: functions that write several database rows together, and the limits of each user.

A service changes rows that belong together in one transaction. If a request breaks a rule, it
raises `Refused`: one sentence for the user and an HTTP status. There are four packages, from the
lowest to the highest: `ground` (shared by the others), `access`, `results`, `upkeep`.
A package imports only lower ones. Their `__init__.py` export nothing: import the modules.
"""
