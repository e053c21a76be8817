{% macro payment_methods() %}
    {{ return(['card', 'bank_transfer', 'voucher', 'gift_card']) }}
{% endmacro %}

{% macro pivot_sum(column, values, amount, suffix='_amount') %}
    {%- for value in values %}
    sum(case when {{ column }} = '{{ value }}' then {{ amount }} else 0 end) as {{ value }}{{ suffix }}
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
{% endmacro %}

{% test positive_sum(model, column_name, at_least=0) %}
select sum({{ column_name }}) as total
from {{ model }}
having sum({{ column_name }}) < {{ at_least }}
{% endtest %}
