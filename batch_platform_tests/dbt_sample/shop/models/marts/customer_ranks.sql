-- Names of common table expressions hide those of models, as in any dbt project.
with customers as (select * from {{ ref('customers') }} where amount is not null),

orders as (select * from {{ ref('orders') }} where is_paid),

paid as (select customer_id, count(*) as order_count from orders group by all)

select
    customers.customer_id,
    customers.full_name as "Name",
    customers.country as "group",
    customers.amount,
    rank() over (partition by customers.country order by customers.amount desc, customers.customer_id)
        as rank_in_country,
    customers.amount / sum(customers.amount) over () as share_of_all,
    coalesce(paid.order_count, 0) as paid_order_count
from customers
left join paid using (customer_id)
