{{ config(
    materialized='incremental',
    tags=['log'],
) }}

select order_id, customer_id, ordered_at, amount
from {{ ref('orders') }}
{% if is_incremental() %}
where ordered_at > (select max(ordered_at) from {{ this }})
{% endif %}
