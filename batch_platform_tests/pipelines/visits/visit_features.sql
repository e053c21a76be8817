{{ config(key=['visit'], cadence='daily', lookback={'visits': 3}) }}

-- One row per visit of the day, with the day's colour among the last three days.
WITH seen AS (
    SELECT color, count(*) AS visits_count FROM {{ source('snapshots', 'visits') }} GROUP BY color
)

SELECT
    visits.visit,
    visits.distance,
    visits.color,
    seen.visits_count AS color_visits_3_days_count,
    visits._source_file,
    visits._source_row
FROM {{ source('snapshots', 'visits') }} AS visits
INNER JOIN seen ON visits.color = seen.color
WHERE visits.partition_key = strftime({{ window.start }} AT TIME ZONE 'UTC', '%Y-%m-%d')
