{# One column per method; the list of methods stands in one macro. #}
{% set methods = payment_methods() %}

select
    order_id,
    {{ pivot_sum('method', methods, 'amount') }},
    sum(amount) as paid_amount,
    min(paid_on) as first_paid_on
from {{ ref('stg_payments') }}
group by order_id
