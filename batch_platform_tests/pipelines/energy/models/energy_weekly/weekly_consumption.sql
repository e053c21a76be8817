{{ config(key=['meter_id'], cadence='weekly') }}

SELECT
    days.meter_id,
    sum(days.kilowatt_hours) AS kilowatt_hours,
    count(*) AS days_count,
    CAST(NULL AS VARCHAR) AS _source_file,
    CAST(NULL AS BIGINT) AS _source_row
FROM {{ ref('daily_consumption') }} AS days
GROUP BY days.meter_id
