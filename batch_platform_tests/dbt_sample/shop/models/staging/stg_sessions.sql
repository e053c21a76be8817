select
    cast(session_id as bigint) as session_id,
    cast(customer_id as bigint) as customer_id,
    device,
    cast(started_at as timestamp) as started_at,
    cast(page_count as integer) as page_count,
    cast(seconds as double) as seconds,
    is_member
from {{ source('raw', 'sessions') }}
