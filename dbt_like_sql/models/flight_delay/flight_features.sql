{{ config(key=['flight_date', 'carrier', 'flight_number', 'origin'], lookback={'flight_outcomes': 28}) }}

-- One row per scheduled departure of the day, with what is known the evening before.
--
-- Weather: the observed weather of the day stands in for a forecast, so these features are those of a
-- perfect forecast. Likewise the schedule names the aircraft that flew in the end.
-- Aircraft: only cancelled flights lack a tail number, so an absent one says how the day ended. Such a row
-- and an aircraft that the register lacks must look alike: everything about the aircraft, its history and
-- its rotation of the day comes from registered aircraft alone and is NULL (or 'UNKNOWN') otherwise.
-- History: the 28 newest days of outcomes. Cancelled and diverted flights have no arrival delay and count
-- neither as late nor as flown. Rates are smoothed towards the rate of all flights: (late + weight * rate) /
-- (flown + weight), so a group without history has the common rate. Sums run over integers and only their
-- quotients are rounded floats: no result depends on the order of rows.

WITH schedule AS (
    SELECT
        planned.*,
        planned.departure_minute_of_day // 60 AS departure_hour_of_day,
        (planned.scheduled_arrival_minute_of_day - planned.departure_minute_of_day + 1440) % 1440
            AS scheduled_clock_minutes,
        register.tail_number AS registered_tail_number,
        register.manufactured_year AS aircraft_manufactured_year,
        register.seat_count AS aircraft_seat_count,
        CASE
            WHEN register.tail_number IS NULL THEN 'UNKNOWN'
            WHEN register.manufacturer LIKE 'AIRBUS%' THEN 'AIRBUS'
            WHEN register.manufacturer LIKE 'MCDONNELL%' THEN 'MCDONNELL DOUGLAS'
            WHEN register.manufacturer IN ('BOEING', 'EMBRAER', 'BOMBARDIER INC') THEN register.manufacturer
            ELSE 'OTHER'
        END AS aircraft_manufacturer
    FROM {{ source('snapshots', 'flight_schedule') }} AS planned
    LEFT JOIN {{ source('snapshots', 'aircraft') }} AS register ON planned.tail_number = register.tail_number
),

rotation AS (
    SELECT
        flight_date, carrier, flight_number, origin,
        row_number() OVER turn AS aircraft_departure_of_day_number,
        departure_minute_of_day - lag(departure_minute_of_day) OVER turn
            AS minutes_since_aircraft_last_departure
    FROM schedule
    WHERE registered_tail_number IS NOT NULL
    WINDOW turn AS (
        PARTITION BY registered_tail_number ORDER BY departure_minute_of_day, carrier, flight_number, origin
    )
),

congestion AS (
    SELECT
        flight_date, carrier, flight_number, origin,
        count(*) OVER (
            PARTITION BY origin ORDER BY departure_minute_of_day RANGE BETWEEN 30 PRECEDING AND 30 FOLLOWING
        ) AS origin_departures_within_30_minutes_count,
        count(*) OVER (
            PARTITION BY origin ORDER BY departure_minute_of_day RANGE BETWEEN 180 PRECEDING AND CURRENT ROW
        ) AS origin_departures_last_3_hours_count,
        count(*) OVER (PARTITION BY origin) AS origin_departures_of_day_count,
        count(*) OVER (PARTITION BY origin, carrier) AS carrier_origin_departures_of_day_count,
        scheduled_clock_minutes - sum(scheduled_clock_minutes) OVER (PARTITION BY origin, destination)
            / count(*) OVER (PARTITION BY origin, destination) AS schedule_slack_against_route_minutes
    FROM schedule
),

-- A wind that no storm reaches is a fault of the instrument, not weather: it counts as missing.
weather_hours AS (
    SELECT
        origin,
        hour_of_day,
        max(temperature_fahrenheit) AS temperature_fahrenheit,
        max(dew_point_fahrenheit) AS dew_point_fahrenheit,
        max(humidity_percent) AS humidity_percent,
        max(wind_speed_mph) FILTER (wind_speed_mph <= 250) AS wind_speed_mph,
        max(coalesce(wind_gust_mph, wind_speed_mph))
            FILTER (greatest(wind_gust_mph, wind_speed_mph) <= 250) AS wind_gust_mph,
        max(wind_direction_degrees) AS wind_direction_degrees,
        max(CAST(round(precipitation_inches * 10000) AS BIGINT)) AS precipitation_ten_thousandths,
        min(pressure_millibars) AS pressure_millibars,
        min(visibility_miles) AS visibility_miles
    FROM {{ source('snapshots', 'weather_forecast') }}
    GROUP BY origin, hour_of_day
),

weather_around_hours AS (
    SELECT
        *,
        max(wind_gust_mph) OVER earlier AS wind_gust_last_4_hours_mph,
        min(visibility_miles) OVER earlier AS visibility_lowest_last_4_hours_miles,
        sum(precipitation_ten_thousandths) OVER earlier / 10000 AS precipitation_last_4_hours_inches,
        sum(precipitation_ten_thousandths) OVER so_far / 10000 AS precipitation_so_far_inches,
        sum(precipitation_ten_thousandths) OVER later / 10000 AS precipitation_next_3_hours_inches,
        min(visibility_miles) OVER later AS visibility_lowest_next_3_hours_miles,
        count(*) FILTER (visibility_miles < 5) OVER so_far AS low_visibility_so_far_hours,
        pressure_millibars - first_value(pressure_millibars) OVER earlier AS pressure_change_4_hours_millibars
    FROM weather_hours
    WINDOW
        earlier AS (PARTITION BY origin ORDER BY hour_of_day RANGE BETWEEN 4 PRECEDING AND CURRENT ROW),
        later AS (PARTITION BY origin ORDER BY hour_of_day RANGE BETWEEN CURRENT ROW AND 3 FOLLOWING),
        so_far AS (
            PARTITION BY origin ORDER BY hour_of_day RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
),

weather_of_day AS (
    SELECT
        origin,
        max(wind_gust_mph) AS wind_gust_highest_of_day_mph,
        min(visibility_miles) AS visibility_lowest_of_day_miles,
        sum(precipitation_ten_thousandths) / 10000 AS precipitation_of_day_inches,
        max(temperature_fahrenheit) AS temperature_highest_of_day_fahrenheit,
        max(dew_point_fahrenheit) AS dew_point_highest_of_day_fahrenheit,
        min(pressure_millibars) AS pressure_lowest_of_day_millibars
    FROM weather_hours
    GROUP BY origin
),

-- The three airports share one airspace: bad weather at one delays the others.
weather_of_region AS (
    SELECT
        hour_of_day,
        min(visibility_lowest_last_4_hours_miles) AS region_visibility_lowest_last_4_hours_miles,
        max(precipitation_last_4_hours_inches) AS region_precipitation_highest_last_4_hours_inches,
        max(precipitation_so_far_inches) AS region_precipitation_highest_so_far_inches,
        max(wind_gust_last_4_hours_mph) AS region_wind_gust_last_4_hours_mph
    FROM weather_around_hours
    GROUP BY hour_of_day
),

outcomes AS (
    SELECT
        flown.carrier, flown.flight_number, flown.origin, flown.destination,
        register.tail_number AS registered_tail_number,
        flown.departure_minute_of_day // 60 AS departure_hour_of_day,
        flown.flight_date >= max(flown.flight_date) OVER () - 6 AS is_recent,
        CAST(flown.arrival_delay_minutes > 15 AS INTEGER) AS late,
        least(greatest(flown.arrival_delay_minutes, -60), 180) AS arrival_delay_minutes
    FROM {{ source('snapshots', 'flight_outcomes') }} AS flown
    LEFT JOIN {{ source('snapshots', 'aircraft') }} AS register ON flown.tail_number = register.tail_number
    WHERE flown.arrival_delay_minutes IS NOT NULL
),

overall AS (
    SELECT
        CASE WHEN count(*) = 0 THEN 0.2 ELSE sum(late) / count(*) END AS late_rate,
        CASE WHEN count(*) = 0 THEN 5.0 ELSE sum(arrival_delay_minutes) / count(*) END AS delay_minutes
    FROM outcomes
),

carrier_history AS (
    SELECT carrier, origin, count(*) AS flown, sum(late) AS late, sum(arrival_delay_minutes) AS delay_minutes
    FROM outcomes GROUP BY carrier, origin
),

route_history AS (
    SELECT origin, destination, count(*) AS flown, sum(late) AS late, sum(arrival_delay_minutes) AS delay_minutes
    FROM outcomes GROUP BY origin, destination
),

hour_history AS (
    SELECT origin, departure_hour_of_day, count(*) AS flown, sum(late) AS late
    FROM outcomes GROUP BY origin, departure_hour_of_day
),

flight_history AS (
    SELECT carrier, flight_number, origin, count(*) AS flown, sum(late) AS late,
        sum(arrival_delay_minutes) AS delay_minutes
    FROM outcomes GROUP BY carrier, flight_number, origin
),

aircraft_history AS (
    SELECT registered_tail_number, count(*) AS flown, sum(late) AS late
    FROM outcomes WHERE registered_tail_number IS NOT NULL GROUP BY registered_tail_number
),

recent_history AS (
    SELECT origin, count(*) AS flown, sum(late) AS late
    FROM outcomes WHERE is_recent GROUP BY origin
)

SELECT
    schedule.flight_date,
    schedule.carrier,
    schedule.flight_number,
    schedule.origin,
    schedule.destination,
    schedule.tail_number,
    schedule.scheduled_departure_at,

    dayname(schedule.flight_date) AS departure_weekday,
    schedule.departure_minute_of_day,
    schedule.scheduled_arrival_minute_of_day,
    schedule.scheduled_clock_minutes,
    schedule.distance_miles,
    CAST(round(schedule_slack_against_route_minutes, 4) AS DOUBLE) AS schedule_slack_against_route_minutes,
    CAST(origin_departures_within_30_minutes_count AS INTEGER) AS origin_departures_within_30_minutes_count,
    CAST(origin_departures_last_3_hours_count AS INTEGER) AS origin_departures_last_3_hours_count,
    CAST(origin_departures_of_day_count AS INTEGER) AS origin_departures_of_day_count,
    CAST(carrier_origin_departures_of_day_count AS INTEGER) AS carrier_origin_departures_of_day_count,

    schedule.aircraft_manufacturer,
    schedule.aircraft_manufactured_year,
    schedule.aircraft_seat_count,
    CAST(rotation.aircraft_departure_of_day_number AS INTEGER) AS aircraft_departure_of_day_number,
    rotation.minutes_since_aircraft_last_departure,

    here.temperature_fahrenheit,
    here.dew_point_fahrenheit,
    here.humidity_percent,
    here.wind_speed_mph,
    here.wind_gust_last_4_hours_mph,
    round(here.wind_speed_mph * sin(radians(here.wind_direction_degrees)), 4) AS wind_from_east_mph,
    round(here.wind_speed_mph * cos(radians(here.wind_direction_degrees)), 4) AS wind_from_north_mph,
    here.pressure_millibars,
    round(here.pressure_change_4_hours_millibars, 4) AS pressure_change_4_hours_millibars,
    here.visibility_miles,
    here.visibility_lowest_last_4_hours_miles,
    here.visibility_lowest_next_3_hours_miles,
    CAST(here.low_visibility_so_far_hours AS INTEGER) AS low_visibility_so_far_hours,
    round(here.precipitation_last_4_hours_inches, 4) AS precipitation_last_4_hours_inches,
    round(here.precipitation_so_far_inches, 4) AS precipitation_so_far_inches,
    round(here.precipitation_next_3_hours_inches, 4) AS precipitation_next_3_hours_inches,
    weather_of_day.wind_gust_highest_of_day_mph,
    weather_of_day.visibility_lowest_of_day_miles,
    round(weather_of_day.precipitation_of_day_inches, 4) AS precipitation_of_day_inches,
    weather_of_day.temperature_highest_of_day_fahrenheit,
    weather_of_day.dew_point_highest_of_day_fahrenheit,
    weather_of_day.pressure_lowest_of_day_millibars,
    region.region_visibility_lowest_last_4_hours_miles,
    round(region.region_precipitation_highest_last_4_hours_inches, 4)
        AS region_precipitation_highest_last_4_hours_inches,
    round(region.region_precipitation_highest_so_far_inches, 4) AS region_precipitation_highest_so_far_inches,
    region.region_wind_gust_last_4_hours_mph,

    round(overall.late_rate, 6) AS late_rate_28_days,
    round((coalesce(recent.late, 0) + 50 * overall.late_rate) / (coalesce(recent.flown, 0) + 50), 6)
        AS origin_late_rate_7_days,
    round((coalesce(by_carrier.late, 0) + 50 * overall.late_rate) / (coalesce(by_carrier.flown, 0) + 50), 6)
        AS carrier_origin_late_rate_28_days,
    round(
        (coalesce(by_carrier.delay_minutes, 0) + 50 * overall.delay_minutes)
        / (coalesce(by_carrier.flown, 0) + 50), 4
    ) AS carrier_origin_delay_28_days_minutes,
    round((coalesce(by_route.late, 0) + 30 * overall.late_rate) / (coalesce(by_route.flown, 0) + 30), 6)
        AS route_late_rate_28_days,
    round(
        (coalesce(by_route.delay_minutes, 0) + 30 * overall.delay_minutes)
        / (coalesce(by_route.flown, 0) + 30), 4
    ) AS route_delay_28_days_minutes,
    round((coalesce(by_hour.late, 0) + 50 * overall.late_rate) / (coalesce(by_hour.flown, 0) + 50), 6)
        AS origin_hour_late_rate_28_days,
    round((coalesce(by_flight.late, 0) + 10 * overall.late_rate) / (coalesce(by_flight.flown, 0) + 10), 6)
        AS flight_late_rate_28_days,
    round(
        (coalesce(by_flight.delay_minutes, 0) + 10 * overall.delay_minutes)
        / (coalesce(by_flight.flown, 0) + 10), 4
    ) AS flight_delay_28_days_minutes,
    CAST(coalesce(by_flight.flown, 0) AS INTEGER) AS flight_flown_28_days_count,
    CASE WHEN schedule.registered_tail_number IS NOT NULL THEN
        round((coalesce(by_aircraft.late, 0) + 20 * overall.late_rate) / (coalesce(by_aircraft.flown, 0) + 20), 6)
    END AS aircraft_late_rate_28_days,
    CASE WHEN schedule.registered_tail_number IS NOT NULL THEN CAST(coalesce(by_aircraft.flown, 0) AS INTEGER) END
        AS aircraft_flown_28_days_count,

    schedule._source_file,
    schedule._source_row
FROM schedule
CROSS JOIN overall
INNER JOIN congestion USING (flight_date, carrier, flight_number, origin)
LEFT JOIN rotation USING (flight_date, carrier, flight_number, origin)
LEFT JOIN weather_around_hours AS here
    ON schedule.origin = here.origin AND schedule.departure_hour_of_day = here.hour_of_day
LEFT JOIN weather_of_day ON schedule.origin = weather_of_day.origin
LEFT JOIN weather_of_region AS region ON schedule.departure_hour_of_day = region.hour_of_day
LEFT JOIN recent_history AS recent ON schedule.origin = recent.origin
LEFT JOIN carrier_history AS by_carrier
    ON schedule.carrier = by_carrier.carrier AND schedule.origin = by_carrier.origin
LEFT JOIN route_history AS by_route
    ON schedule.origin = by_route.origin AND schedule.destination = by_route.destination
LEFT JOIN hour_history AS by_hour
    ON schedule.origin = by_hour.origin AND schedule.departure_hour_of_day = by_hour.departure_hour_of_day
LEFT JOIN flight_history AS by_flight
    ON schedule.carrier = by_flight.carrier AND schedule.flight_number = by_flight.flight_number
    AND schedule.origin = by_flight.origin
LEFT JOIN aircraft_history AS by_aircraft
    ON schedule.registered_tail_number = by_aircraft.registered_tail_number
ORDER BY schedule.flight_date, schedule.carrier, schedule.flight_number, schedule.origin
