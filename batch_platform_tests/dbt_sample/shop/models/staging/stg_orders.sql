with source as (
    select * from {{ ref('raw_orders') }}
),

renamed as (
    select
        order_id,
        customer_id,
        sku,
        quantity,
        ordered_at,
        cast(ordered_at as date) as ordered_on,
        status,
        status in ({% for status in var('cancelled_statuses') %}'{{ status }}'{{ ", " if not loop.last }}{% endfor %})
            as is_cancelled,
        discount_rate
    from source
)

select * from renamed
