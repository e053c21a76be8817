{{ config(materialized='incremental', unique_key=['customer_id', 'ordered_on']) }}

select customer_id, ordered_on, count(*) as order_count, sum(amount) as amount
from {{ ref('orders') }}
{% if is_incremental() %}
where ordered_on >= (select max(ordered_on) from {{ this }})
{% endif %}
group by customer_id, ordered_on
