{{ config(tags=['products'], meta={'owner': 'purchasing'}) }}

select
    products.sku,
    products.product_name,
    coalesce(products.category, '{{ var("no_category", "none") }}') as category,
    sum(orders.quantity) as sold_count,
    sum(orders.quantity * products.weight_kg) as sold_kg,
    avg(orders.discount_rate) as mean_discount_rate,
    sum(orders.amount) filter (where not orders.is_cancelled) as revenue,
    count(distinct orders.customer_id) as buyer_count,
    max(orders.ordered_on) as last_sold_on
from {{ ref('stg_products') }} as products
left join {{ ref('orders') }} as orders on products.sku = orders.sku
group by products.sku, products.product_name, products.category
order by products.sku
