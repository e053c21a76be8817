select ordered_on, sum(amount) as revenue, count(*) as order_count
from {{ ref('orders') }}
where not is_cancelled
group by ordered_on
