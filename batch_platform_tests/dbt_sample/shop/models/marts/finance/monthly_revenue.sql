{{ config(materialized='table') }}

{%- set months = 'date_trunc(\'month\', ordered_on)' %}

select
    cast({{ months }} as date) as month,
    sum(revenue) as revenue,
    sum(sum(revenue)) over (order by {{ months }}) as revenue_so_far,
    sum(order_count) as order_count
from {{ ref('daily_revenue') }}
group by {{ months }}
