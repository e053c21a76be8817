-- An ephemeral model that reads an ephemeral model.
with payments as (
    select * from {{ ref('int_payments_per_order') }}
)

select
    orders.*,
    products.category,
    products.price,
    cast({{ after_discount('products.price * orders.quantity', 'orders.discount_rate') }} as decimal(18, 2)) as amount,
    {% for method in payment_methods() -%}
    coalesce(payments.{{ method }}_amount, 0) as {{ method }}_amount,
    {% endfor -%}
    coalesce(payments.paid_amount, 0) as paid_amount,
    payments.first_paid_on
from {{ ref('stg_orders') }} as orders
inner join {{ ref('stg_products') }} as products using (sku)
left join payments on orders.order_id = payments.order_id
