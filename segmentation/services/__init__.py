"""Every write of more than one row, and every limit per user. Rows that belong together change in one transaction.

If the user breaks a rule, `Refused` is raised: one sentence and an HTTP status. Five rooms, none knows those above it:
`ground` (what all need), `access`, `results`, `learning`, `upkeep`. Import a room's module by its name: there is no
front door.
"""
