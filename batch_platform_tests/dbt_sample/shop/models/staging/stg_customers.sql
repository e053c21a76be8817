select
    customer_id,
    {{ full_name() }} as full_name,
    {{ clean('first_name') }} as first_name,
    lower(email) as email,
    birth_date,
    country_code,
    coalesce(is_subscribed, false) as is_subscribed,
    note
from {{ ref('raw_customers') }}
