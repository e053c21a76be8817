with orders as (
    select * from {{ ref('orders') }}
),

per_customer as (
    select
        customer_id,
        count(*) as order_count,
        sum(quantity) as item_count,
        sum(amount) as amount,
        avg(amount) as mean_amount,
        min(ordered_at) as first_ordered_at,
        max(ordered_at) as last_ordered_at,
        bool_or(is_big) as has_big_order,
        string_agg(sku, ', ' order by ordered_at desc, order_id) as skus
    from orders
    where not is_cancelled
    group by customer_id
)

select
    customers.customer_id,
    customers.full_name,
    customers.email,
    customers.birth_date,
    customers.is_subscribed,
    countries.country,
    countries.is_eu,
    coalesce(per_customer.order_count, 0) as order_count,
    per_customer.* exclude (customer_id, order_count)
from {{ ref('stg_customers') }} as customers
left join {{ ref('country_codes') }} as countries using (country_code)
left join per_customer on customers.customer_id = per_customer.customer_id
