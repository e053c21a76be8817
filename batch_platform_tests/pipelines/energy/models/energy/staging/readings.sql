SELECT
    given.meter_id,
    given.kilowatt_hours,
    {{ local_hour('given.measured_at') }} AS hour_of_day
FROM {{ source('snapshots', 'meter_readings') }} AS given
WHERE given.kilowatt_hours IS NOT NULL
