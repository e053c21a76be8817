select
    *,
    paid_amount >= amount as is_paid,
    amount >= {{ var('big_order_euros') }} as is_big,
    row_number() over (partition by customer_id order by ordered_at, order_id) as order_of_customer,
    date_diff('day', lag(ordered_on) over (partition by customer_id order by ordered_at, order_id), ordered_on)
        as days_since_last_order,
    '{{ var("currency") }}' as currency
from {{ ref('int_order_amounts') }}
