"""Days in English as DATE_FORMAT has them, with the time of day behind: no second way of writing a date."""

MONTH_DAY_FORMAT = "N j"
SHORT_DATE_FORMAT = "N j, Y"
SHORT_DATETIME_FORMAT = "N j, Y, H:i"
DATETIME_FORMAT = "N j, Y, H:i"
