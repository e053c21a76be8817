select
    sku,
    name as product_name,
    {{ clean('category') }} as category,
    price,
    weight_kg,
    is_active
from {{ ref('raw_products') }}
