select
    device,
    is_member,
    count(*) as session_count,
    sum(page_count) as page_count,
    sum(seconds) as seconds,
    avg(seconds) as mean_seconds,
    median(seconds) as median_seconds,
    min(started_at) as first_started_at
from {{ ref('stg_sessions') }}
group by all
