{{ config(materialized='incremental', unique_key='order_id') }}

-- The newest state of each order: one that is there already is replaced.
select
    order_id,
    status,
    ordered_at,
    {% if is_incremental() %}'later'{% else %}'first'{% endif %} as written_by
from {{ ref('stg_orders') }}
{% if is_incremental() %}
where status <> 'placed'
    and ordered_at >= (select max(ordered_at) - interval 30 day from {{ this }})
{% endif %}
