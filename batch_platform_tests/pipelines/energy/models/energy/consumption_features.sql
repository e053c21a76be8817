{{ config(key=['meter_id'], lookback={'daily_consumption': 28, 'tariffs': 1}, cadence='daily') }}

-- The four weeks up to and with the day, the household, and the price of its week.
WITH history AS (
    SELECT
        meter_id,
        avg(kilowatt_hours) AS kilowatt_hours_mean_28_days,
        stddev_samp(kilowatt_hours) AS kilowatt_hours_deviation_28_days,
        max_by(kilowatt_hours, day) AS kilowatt_hours_newest_day,
        count(*) AS days_count
    FROM {{ ref('daily_consumption') }}
    GROUP BY meter_id
)

SELECT
    history.meter_id,
    meters.household_size,
    meters.tariff,
    history.kilowatt_hours_mean_28_days,
    history.kilowatt_hours_deviation_28_days,
    history.kilowatt_hours_newest_day,
    CAST(history.days_count AS INTEGER) AS days_count,
    CAST(history.kilowatt_hours_mean_28_days * tariffs.cents_per_kilowatt_hour AS DOUBLE) AS cents_per_day,
    meters._source_file,
    meters._source_row
FROM history
INNER JOIN {{ ref('meters') }} AS meters USING (meter_id)
LEFT JOIN {{ source('snapshots', 'tariffs') }} AS tariffs ON tariffs.tariff = meters.tariff
