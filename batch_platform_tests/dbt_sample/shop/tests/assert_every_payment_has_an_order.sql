select payments.payment_id
from {{ ref('stg_payments') }} as payments
left join {{ ref('stg_orders') }} as orders using (order_id)
where orders.order_id is null
