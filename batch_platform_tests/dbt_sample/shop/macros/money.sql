{% macro cents_to_euros(column, digits=2) -%}
    cast({{ column }} / 100.0 as decimal(18, {{ digits }}))
{%- endmacro %}

{# The share of a price that is left after a discount; a missing discount takes nothing off. #}
{% macro after_discount(price, rate) -%}
    {{ price }} * (1 - coalesce({{ rate }}, 0))
{%- endmacro %}
