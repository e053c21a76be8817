{% macro clean(text) %}nullif(trim({{ text }}), ''){% endmacro %}

{% macro full_name(first='first_name', last='last_name', separator=' ') -%}
    concat_ws('{{ separator }}', {{ clean(first) }}, {{ clean(last) }})
{%- endmacro %}
