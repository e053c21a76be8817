{{ config(key=['order_id'], lookback={'repeat_orders': 3}) }}

-- One row per order of the day; history covers the three newest days whose outcome is known.
WITH history AS (
    SELECT channel, count(*) AS known, count(*) FILTER (ordered_again) AS repeated
    FROM {{ source('snapshots', 'repeat_orders') }} GROUP BY channel
)

SELECT
    orders.order_id,
    orders.channel,
    CAST(orders.amount_euros AS DOUBLE) AS amount_euros,
    orders.items_count,
    round((coalesce(history.repeated, 0) + 5) / (coalesce(history.known, 0) + 10), 6) AS channel_repeat_rate_3_days,
    orders._source_file,
    orders._source_row
FROM {{ source('snapshots', 'orders') }} AS orders
LEFT JOIN history USING (channel)
ORDER BY orders.order_id
