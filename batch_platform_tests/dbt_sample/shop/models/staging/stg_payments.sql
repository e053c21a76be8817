select
    payment_id,
    order_id,
    method,
    {{ cents_to_euros('amount_cents') }} as amount,
    paid_on
from {{ ref('raw_payments') }}
