{% macro local_hour(moment, zone='Europe/Berlin') %}CAST(extract('hour' FROM {{ moment }} AT TIME ZONE '{{ zone }}') AS INTEGER){% endmacro %}
