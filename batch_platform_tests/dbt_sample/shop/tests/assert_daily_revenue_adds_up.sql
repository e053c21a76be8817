{{ config(severity='error', tags=['finance']) }}

-- The days together are worth as much as the orders together.
with days as (
    select sum(revenue) as total from {{ ref('daily_revenue') }}
),

orders as (
    select sum(amount) as total from {{ ref('orders') }} where not is_cancelled
)

select days.total as days_total, orders.total as orders_total
from days
cross join orders
where days.total <> orders.total
