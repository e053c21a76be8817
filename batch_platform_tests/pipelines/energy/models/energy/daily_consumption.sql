{{ config(key=['meter_id'], cadence='daily', tags=['consumption']) }}

-- One row per meter and day. A day has 23, 24 or 25 hours.
SELECT
    readings.meter_id,
    CAST({{ window.start }} AT TIME ZONE 'Europe/Berlin' AS DATE) AS day,
    sum(readings.kilowatt_hours) AS kilowatt_hours,
    sum(readings.kilowatt_hours) FILTER (readings.hour_of_day >= {{ var('peak_from_hour') }}) AS peak_kilowatt_hours,
    count(*) AS hours_count,
    CAST(NULL AS VARCHAR) AS _source_file,
    CAST(NULL AS BIGINT) AS _source_row
FROM {{ ref('readings') }}
GROUP BY readings.meter_id
