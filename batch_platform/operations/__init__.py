"""What holds for the whole project: batch windows, blackouts, maintenance, quotas, alerts.

Belongs here: the component that declares it, and what it declares. Does not belong here: what follows from it, which
is in `schedules/` (what may start), `alerts/` (who is told) and `automation/` (Dagster). Stages and sensors ask what
is declared; the room knows no stage.
"""
