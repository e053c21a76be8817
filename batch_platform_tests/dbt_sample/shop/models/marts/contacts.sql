select 'order' as "Kind", order_id as "id", customer_id, ordered_at as happened_at from {{ ref('stg_orders') }}
union all
select 'session', session_id, customer_id, started_at from {{ ref('stg_sessions') }} where customer_id is not null
