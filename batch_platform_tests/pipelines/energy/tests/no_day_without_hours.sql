-- A meter that reported has at least one hour.
SELECT * FROM {{ ref('daily_consumption') }} WHERE hours_count < 1
