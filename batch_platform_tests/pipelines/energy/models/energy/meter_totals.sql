{{ config(key=['meter_id'], materialized='incremental', lookback={'this': 1}) }}

-- What a meter has counted since the first day: the day before, and this day.
SELECT
    coalesce(today.meter_id, earlier.meter_id) AS meter_id,
    CAST(coalesce(today.hours_count, 0) + coalesce(earlier.hours_count, 0) AS BIGINT) AS hours_count,
    CAST(NULL AS VARCHAR) AS _source_file,
    CAST(NULL AS BIGINT) AS _source_row
FROM {{ ref('daily_consumption') }} AS today
FULL JOIN {{ this }} AS earlier ON today.meter_id = earlier.meter_id
